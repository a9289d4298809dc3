from django.urls import path

from omniviewer.scim import views

urlpatterns = [
    path("ServiceProviderConfig", views.service_provider_config),
    path("ResourceTypes", views.resource_types),
    path("ResourceTypes/<name>", views.resource_types),
    path("Schemas", views.schemas),
    path("Schemas/<name>", views.schemas),
    path("Users", views.users),
    path("Users/<scim_id>", views.user),
    path("Groups", views.all_groups),
    path("Groups/<scim_id>", views.group),
    path("<path:_rest>", views.nothing),
]
