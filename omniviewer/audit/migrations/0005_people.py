"""Name the events of holds, of leaving and of announcements. Choices are no matter of the database."""

from django.db import migrations, models

KINDS = [
    ("signed-in", "Signed in"),
    ("signed-out", "Signed out"),
    ("refused", "Sign-in refused"),
    ("opened", "Opened a conversation"),
    ("exported", "Exported a conversation"),
    ("captured", "Captured evidence"),
    ("searched", "Searched"),
    ("credential-added", "Added a credential"),
    ("credential-changed", "Changed a credential"),
    ("credential-removed", "Removed a credential"),
    ("handed-over", "Handed a credential over"),
    ("forgotten", "Deleted a conversation"),
    ("ticket-removed", "Removed a ticket"),
    ("hold-set", "Set a hold"),
    ("hold-lifted", "Lifted a hold"),
    ("announced", "Changed an announcement"),
    ("person-added", "Added a person"),
    ("person-changed", "Changed a person"),
    ("person-offboarded", "Offboarded a person"),
    ("person-told", "Wrote a person’s data to a file"),
    ("person-removed", "Removed a person"),
    ("password-set", "Set a password"),
    ("sessions-ended", "Signed a person out everywhere"),
]
WAYS = [
    ("password", "Password"),
    ("oidc", "OpenID Connect"),
    ("saml", "SAML"),
    ("proxy", "Proxy"),
    ("demo", "Demo"),
    ("scim", "Provisioning (SCIM)"),
    ("command", "By an administrator"),
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_forgotten")]

    operations = [
        migrations.AlterField("event", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.AlterField("event", "by", models.CharField(blank=True, choices=WAYS, max_length=20)),
    ]
