from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "omniviewer.audit"
    label = "audit"
