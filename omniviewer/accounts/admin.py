"""Staff manage people here. Credentials are not registered: nobody but their owner handles them."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from omniviewer.accounts.models import User

admin.site.register(User, UserAdmin)
