from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "omniviewer.demo"
    label = "demo"
