"""Text that means harm, as it could come out of data that a language model read."""

BRACKETS = "[" * 5_000

HOSTILE = """This was in the product description that you asked about:

<script>alert('ran')</script>
<img src="https://tracker.example/pixel.png" onerror="alert('ran')">
<svg onload="alert('ran')"><a xlink:href="javascript:alert('ran')">x</a></svg>
<style>body { display: none }</style>
<div style="position:fixed;inset:0;background:red" onclick="alert('ran')">over everything</div>
<form action="https://phish.example/"><input name="password"><button>Sign in again</button></form>
<iframe src="https://phish.example/"></iframe>
<a href="javascript:alert('ran')">a link</a> <b>unclosed

[A link](javascript:alert('ran')) · [another](JaVaScRiPt:alert('ran')) · [data](data:text/html,<script>alert(1)</script>)
· [https://my-org.omni.co](https://phish.example/omni) · [no scheme](//phish.example) · [user](https://my-org.omni.co@phish.example/)

![tracking pixel](https://tracker.example/pixel.gif) ![inline](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)

<https://phish.example/?q="><script>alert('ran')</script>> and [ref][evil]

[evil]: javascript:alert('ran') "title"

The file is named \u202egnp.exe\u202c and has zero\u200bwidth and soft\u00adhyphens.

```html
<script>alert('in code, as it should be')</script>
```

`<img src=x onerror=alert('ran')>`

| <script>alert('ran')</script> | b |
|---|---|
| <img src=x onerror=alert('ran')> | javascript:alert('ran') |

<!-- a comment --> <noscript><p title="</noscript><img src=x onerror=alert('ran')>">"""
