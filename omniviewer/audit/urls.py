from django.urls import path

from omniviewer.audit import views

app_name = "audit"

urlpatterns = [
    path("activity/", views.mine, name="mine"),
    path("activity/all/", views.everybodys, name="everybodys"),
    path("activity/all/csv/", views.as_csv, name="csv"),
]
