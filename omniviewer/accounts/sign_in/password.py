"""Views to sign in, by each way that is set up, and to sign out."""

from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from omniviewer.accounts import sessions
from omniviewer.accounts.models import User
from omniviewer.accounts.requests import next_path, own_path, site_path
from omniviewer.accounts.sign_in import throttle
from omniviewer.audit import trail
from omniviewer.operations.front import client_network

if settings.OIDC_ISSUER:
    from omniviewer.accounts.sign_in import oidc

# Start address and name of each way of single sign-on.
_PROVIDERS = [(site_path("/sign-in/oidc/"), settings.OIDC_NAME)] if settings.OIDC_ISSUER else []
if settings.SAML_ENTITY_ID:
    _PROVIDERS.append((site_path("/sign-in/saml/"), settings.SAML_NAME))


class PasswordForm(AuthenticationForm):
    """A form for name and password. After too many wrong passwords it refuses without checking them."""

    request: HttpRequest

    def clean(self) -> dict[str, object]:
        name, address = self.cleaned_data.get("username") or "", client_network(self.request)
        self.cleaned_data["username"] = name = _username(name)
        if left := throttle.begin(name, address):
            sentence = f"Too many wrong passwords. Try again in {throttle.in_minutes(left)}."
            raise ValidationError(sentence, code="throttled")
        try:
            cleaned: dict[str, object] = super().clean()
        except ValidationError:
            trail.refused(self.request, name, by="password")
            raise
        throttle.succeeded(name, address)
        return cleaned


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the page to sign in, or redirect to the provider if that is the only way to sign in."""
    target = next_path(request)
    if request.user.is_authenticated:
        return redirect(target or site_path("/conversations/"))
    providers = [(_with_next(path, target), name) for path, name in _PROVIDERS]
    if len(providers) == 1 and not settings.LOCAL_LOGIN:
        return redirect(providers[0][0])
    form = PasswordForm(request, request.POST or None) if settings.LOCAL_LOGIN else None
    if form and form.is_valid():
        sessions.begin(request, form.get_user(), by="password")
        return redirect(target or site_path("/conversations/"))
    if form and providers:
        form.fields["username"].widget.attrs.pop("autofocus", None)  # the other way is the usual one
    throttled = form and form.has_error("__all__", code="throttled")
    context = {"form": form, "next": target, "providers": providers, "by_proxy": bool(settings.PROXY_HEADER)}
    status = HTTPStatus.TOO_MANY_REQUESTS if throttled else HTTPStatus.OK
    return render(request, "accounts/sign_in.html", context, status=status)


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here; where a provider vouched for it, say so and lead to the provider's own sign-out."""
    by = sessions.signed_in_by(request)
    address = {"saml": settings.SAML_SIGN_OUT_URL, "proxy": settings.PROXY_SIGN_OUT_URL}.get(by, "")
    if by == "oidc" and settings.OIDC_ISSUER:
        address = oidc.sign_out_address(request, site_path("/signed-out/"))
    sessions.end(request)
    if by == "password" or not (settings.SINGLE_SIGN_ON or settings.PROXY_HEADER):
        return redirect(site_path("/sign-in/"))
    return render(request, "accounts/signed_out.html", {"elsewhere": address})


@login_not_required
@require_safe
def signed_out(request: HttpRequest) -> HttpResponse:
    """Show the page to which the provider returns people after signing them out. It does not redirect back."""
    if request.user.is_authenticated:
        return redirect(site_path("/conversations/"))
    return render(request, "accounts/signed_out.html")


@login_not_required
@require_safe
def administration(request: HttpRequest) -> HttpResponse:
    """Redirect the admin's own sign-in page to the site's; show a page to people who are not staff."""
    if request.user.is_staff:
        return redirect(own_path(request.GET.get("next", "")) or site_path("/admin/"))
    if request.user.is_authenticated:
        return render(request, "accounts/not_staff.html", status=HTTPStatus.FORBIDDEN)
    return redirect(_with_next(site_path("/sign-in/"), next_path(request)))


def _username(name: str) -> str:
    """Return the username that somebody means who does not care for capital letters; else what was typed."""
    if User.objects.filter(username=name).exists():
        return name
    alike = list(User.objects.filter(username__iexact=name).values_list("username", flat=True)[:2])
    return alike[0] if len(alike) == 1 else name


def _with_next(path: str, target: str) -> str:
    return f"{path}?{urlencode({'next': target})}" if target else path
