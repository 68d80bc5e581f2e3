"""The page's one style sheet: calm, one column beside its contents, light and dark, phone and paper.

Colours are chosen for a contrast of 4.5 or more on their ground (WCAG AA; the tests compute it from what a browser
shows). Fonts are the reader's own. Charts take their colours from here, so that dark mode reaches them too.
"""

LIGHT = """
  --page: #fcfbf9; --card: #f4f2ed; --line: #e0dcd3; --ink: #20242a; --soft: #5a626b;
  --main: #1d6a85; --fill: #2f86a3; --other: #a8481f; --third: #5b5aa6; --fourth: #4d7a2c;
  --mark: #ffe7ad; --mark-line: #c98a00; --ins: #d8f0dc; --del: #fbdcd4;
"""
DARK = """
  --page: #16191d; --card: #1f2429; --line: #343a41; --ink: #e7e9eb; --soft: #a7b0b9;
  --main: #7cc3dc; --fill: #4f9db9; --other: #eda27b; --third: #b3b2ee; --fourth: #a5cf82;
  --mark: #54420f; --mark-line: #d9a52c; --ins: #1b4427; --del: #56251b;
"""
STYLE = f"""
:root {{ color-scheme: light; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {DARK} }} }}
@media print {{ :root {{ color-scheme: light; {LIGHT} }} }}
* {{ box-sizing: border-box; }}
html {{ scroll-padding-top: 4rem; -webkit-text-size-adjust: 100%; }}
@media (prefers-reduced-motion: no-preference) {{ html {{ scroll-behavior: smooth; }} }}
body {{ margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif; overflow-wrap: break-word; }}
a {{ color: var(--main); text-underline-offset: .15em; }}
:focus-visible {{ outline: 3px solid var(--main); outline-offset: 2px; border-radius: 3px; }}
.skip {{ position: absolute; left: -99rem; }}
.skip:focus {{ left: 1rem; top: .5rem; z-index: 3; background: var(--page); padding: .5rem 1rem; }}
.sheet {{ max-width: 74rem; margin: 0 auto; padding: 0 1.25rem 6rem; }}
header {{ padding: 3.5rem 0 1rem; }}
header p {{ margin: .4rem 0 0; color: var(--soft); max-width: 44rem; }}
h1 {{ font-size: 2.1rem; line-height: 1.2; letter-spacing: -.02em; margin: 0; font-weight: 680; }}
h2 {{ font-size: 1.4rem; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 .4rem; }}
h3 {{ font-size: 1.02rem; margin: 2.2rem 0 .5rem; }}
h4 {{ font-size: .95rem; margin: 1.2rem 0 .3rem; }}
section {{ padding: 2.6rem 0 1rem; border-top: 1px solid var(--line); margin-top: 2.2rem; }}
main > section:first-child {{ border-top: 0; margin-top: 0; }}
section > p, .note, figcaption {{ color: var(--soft); max-width: 44rem; margin: .3rem 0 1rem; }}
figcaption, .note {{ font-size: .9rem; }}
nav {{ position: sticky; top: 0; z-index: 2; background: var(--page); border-bottom: 1px solid var(--line);
  margin: 0 -1.25rem; padding: 0 1.25rem; }}
nav ul {{ list-style: none; margin: 0; padding: .7rem 0; display: flex; gap: 1.2rem; overflow-x: auto; }}
nav a {{ text-decoration: none; color: var(--soft); white-space: nowrap; font-size: .92rem; padding: .15rem 0; }}
nav a:hover {{ color: var(--main); text-decoration: underline; }}
@media (min-width: 66rem) {{
  .columns {{ display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 3.5rem; }}
  nav {{ top: 2rem; align-self: start; border: 0; margin: 2.6rem 0 0; padding: 0; }}
  nav ul {{ flex-direction: column; gap: .35rem; padding: 0; }}
  html {{ scroll-padding-top: 1rem; }}
}}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0 1.6rem; }}
.verdicts {{ grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }}
.verdict, .nowrap {{ white-space: nowrap; }}
.verdict.better {{ color: var(--fourth); font-weight: 640; }} .verdict.better::before {{ content: "\\25B2\\2009"; }}
.verdict.worse {{ color: var(--other); font-weight: 640; }} .verdict.worse::before {{ content: "\\25BC\\2009"; }}
.verdict.open {{ color: var(--soft); }}
dd .verdict.open {{ color: var(--ink); }}
.interval {{ display: block; color: var(--soft); font-size: .82rem; white-space: nowrap; }}
.again {{ opacity: 0; }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .1rem 1.6rem; margin: 0; }}
.facts div {{ display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line);
  padding: .3rem 0; font-size: .88rem; font-variant-numeric: tabular-nums; }}
.facts dt {{ color: var(--soft); }} .facts dd {{ margin: 0; }}
.tiles div {{ background: var(--card); border-radius: 10px; padding: .8rem 1rem; }}
.tiles dt {{ color: var(--soft); font-size: .85rem; }}
.tiles dd {{ margin: 0; font-size: 1.45rem; font-weight: 640; font-variant-numeric: tabular-nums; line-height: 1.35; }}
.tiles small {{ display: block; font-size: .82rem; font-weight: 400; color: var(--soft); }}
.wide {{ overflow-x: auto; margin: .6rem 0 1.2rem; }}
table {{ border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }}
table.small {{ width: auto; min-width: min(26rem, 100%); }}
caption {{ text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .4rem; }}
th, td {{ padding: .38rem 1rem .38rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }}
th:last-child, td:last-child {{ padding-right: .2rem; }}
thead th {{ font-weight: 600; color: var(--soft); font-size: .84rem; vertical-align: bottom; }}
tbody th {{ font-weight: 400; min-width: 8rem; max-width: 24rem; overflow-wrap: break-word; }}
.wide td {{ max-width: 30rem; }}
.n {{ text-align: right; white-space: nowrap; }}
td.heat {{ text-align: right; padding: .38rem .6rem; }}
.step {{ color: var(--soft); font-size: .85rem; }}
.bar {{ display: block; min-width: 8rem; height: .8rem; margin-top: .35rem; background: var(--card);
  border-radius: 3px; overflow: hidden; }}
.bar i {{ display: block; height: 100%; background: var(--fill); min-width: 1px; float: left; }}
.bar i.none {{ min-width: 0; }}
.bar i + i {{ background: var(--fill); opacity: .38; }}
.before {{ display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .4rem; }}
code, pre, kbd {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }}
code {{ font-size: .88em; overflow-wrap: anywhere; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .84rem; line-height: 1.55; margin: .5rem 0 0;
  tab-size: 4; }}
pre.prose {{ font-family: Charter, "Bitstream Charter", "Sitka Text", Cambria, "Liberation Serif", Georgia, serif;
  font-size: .98rem; line-height: 1.6; max-width: 44rem; }}
pre.run {{ background: var(--card); border-radius: 8px; padding: .8rem 1rem; }}
details {{ border-bottom: 1px solid var(--line); }}
summary {{ cursor: pointer; padding: .55rem 0; font-weight: 560; }}
summary:hover {{ color: var(--main); }}
summary span {{ color: var(--soft); font-weight: 400; font-size: .9rem; }}
details > .inside {{ padding: 0 0 1rem; }}
article {{ background: var(--card); border-radius: 10px; padding: .9rem 1.1rem 1rem; margin: .7rem 0; }}
article h4 {{ margin: 0; font-size: .93rem; overflow-wrap: anywhere; }}
article ul {{ list-style: none; margin: .25rem 0 0; padding: 0; font-size: .86rem; color: var(--soft); display: flex;
  flex-wrap: wrap; gap: 0 1.2rem; }}
article b {{ color: var(--ink); font-weight: 600; }}
mark {{ background: var(--mark); color: var(--ink); border-radius: 3px;
  box-shadow: 0 0 0 1.5px var(--mark), 0 2.5px 0 var(--mark-line); }}
ins {{ background: var(--ins); color: var(--ink); text-decoration: none; border-radius: 2px; }}
del {{ background: var(--del); color: var(--ink); border-radius: 2px; }}
.cut {{ color: var(--soft); font-style: italic; }}
.control {{ border: 1px solid var(--line); border-radius: 3px; font-size: .75em; padding: 0 .2em; color: var(--soft); }}
figure {{ margin: 1rem 0 1.6rem; max-width: 44rem; }}
svg {{ display: block; width: 100%; height: auto; overflow: visible; }}
svg.whisker {{ width: 9rem; height: .9rem; margin-top: .3rem; }}
svg.whisker.wide-one {{ width: 100%; max-width: 16rem; height: 1.6rem; margin: .4rem 0; }}
svg text {{ fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }}
svg .axis {{ stroke: var(--line); }}
svg .cutline {{ stroke: var(--other); stroke-dasharray: 5 4; stroke-width: 1.5; }}
svg text.cutlabel {{ fill: var(--other); }}
.legend {{ display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .88rem; color: var(--soft);
  margin: .3rem 0; }}
footer {{ color: var(--soft); font-size: .88rem; border-top: 1px solid var(--line); margin-top: 4rem;
  padding-top: 1rem; }}
@media (max-width: 40rem) {{
  header {{ padding-top: 2rem; }}
  h1 {{ font-size: 1.65rem; }}
  article {{ margin-left: -.5rem; margin-right: -.5rem; padding: .8rem; }}
  svg text {{ font-size: 21px; }}
  svg .some {{ display: none; }}
  section {{ padding-top: 1.8rem; }}
  table {{ font-size: .86rem; }}
  .source {{ display: none; }}
  .wide tbody th, .wide thead th:first-child {{ position: sticky; left: 0; background: var(--page);
    max-width: 8.8rem; }}
  .bar {{ min-width: 4.6rem; }}
  .tiles {{ gap: .6rem; }} .tiles div {{ padding: .7rem .8rem; }} .tiles dd {{ font-size: 1.2rem; }}
}}
@media print {{
  nav, .skip {{ display: none; }} .columns {{ display: block; }} .wide {{ overflow: visible; }}
  body {{ font-size: 10pt; }} article, figure, tr, .tiles div {{ break-inside: avoid; }}
  h2, h3 {{ break-after: avoid; }}
}}
"""
