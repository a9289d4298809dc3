// What is remembered about this browser: the server sets the same cookies where a form is sent.

// The path below which the site is.
const SITE = new URL("../../", import.meta.url).pathname;

export function cookie(name) {
  const pair = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair === undefined ? undefined : decodeURIComponent(pair.slice(name.length + 1));
}

export function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=${SITE}; Max-Age=${value ? 31536000 : 0}; SameSite=Lax${secure}`;
}
