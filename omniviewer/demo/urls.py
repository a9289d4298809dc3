"""In the demo alone."""

from django.urls import path

from omniviewer.demo import views

urlpatterns = [path("continue/", views.continue_as)]
