"""The addresses of the peer's site, as its own first steps have them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("appointment/", include("appointment.urls"))]
