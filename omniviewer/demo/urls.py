"""Addresses that exist only in the demo."""

from django.urls import path

from omniviewer.demo import views

urlpatterns = [path("continue/", views.continue_as)]
