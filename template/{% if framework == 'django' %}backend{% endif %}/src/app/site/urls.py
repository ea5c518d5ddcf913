"""The URLs of the views."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from app.site import views

urlpatterns = [
    path("chatkit", views.chatkit),
    path("attachments", views.upload),
    path("attachments/<str:attachment_id>", views.attachment),
    path("health", views.health),
    path("health/<str:about>", views.health),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("", include("app.routes")),
]
