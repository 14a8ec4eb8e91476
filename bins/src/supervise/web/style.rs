//! How the page looks: on a desk, on a phone, by day and by night.

/// The style sheet. Colours only underline what the words say already.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dde2e9;\
--link:#0b57c2;--well:#0a6b35;--well-b:#dcf3e4;--move:#0b4fae;--move-b:#dfeafc;--rest:#4d5765;\
--rest-b:#e8ebef;--warn:#7a4a00;--warn-b:#fdeccb;--bad:#a3121d;--bad-b:#fde0e1}\
@media(prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1a2028;--ink:#e3e8ef;--soft:#9aa6b5;\
--line:#2c3540;--link:#7db2ff;--well:#7ee2a4;--well-b:#123822;--move:#9cc5ff;--move-b:#14305a;\
--rest:#b6c0cc;--rest-b:#2a323d;--warn:#ffcf7a;--warn-b:#45320c;--bad:#ff9ea3;--bad-b:#551a1f}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,-apple-system,\
'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}\
main{max-width:76rem;margin:0 auto;padding:1rem}\
a{color:var(--link)}\
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem .8rem}\
h1{font-size:1.35rem;margin:0;overflow-wrap:anywhere}\
.soft{color:var(--soft)}\
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem .5rem;margin:.7rem 0}\
.push{margin-left:auto}\
.s{display:inline-block;padding:.05rem .5rem;border-radius:1rem;font-size:.78rem;font-weight:600;\
letter-spacing:.02em;white-space:nowrap;text-decoration:none}\
a.s:hover{text-decoration:underline}\
a.s[aria-current]{outline:2px solid currentColor;outline-offset:1px}\
.well{color:var(--well);background:var(--well-b)}.move{color:var(--move);background:var(--move-b)}\
.rest{color:var(--rest);background:var(--rest-b)}.warn{color:var(--warn);background:var(--warn-b)}\
.bad{color:var(--bad);background:var(--bad-b)}\
.said{padding:.5rem .8rem;border-radius:.4rem;margin:.7rem 0;overflow-wrap:anywhere}\
table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line)}\
caption{text-align:left}\
th,td{padding:.4rem .6rem;text-align:left;vertical-align:baseline}\
thead th{font-size:.78rem;color:var(--soft);font-weight:600}\
tbody tr{border-top:1px solid var(--line)}\
tbody th{font-weight:600;overflow-wrap:anywhere}th .soft{font-weight:400}\
tr.group{background:var(--ground)}tr.group th{font-size:1rem}\
tr.log{border-top:0}tr.log td{padding-top:0}\
.one th{min-width:11rem}.one .member{padding-left:1.5rem}\
.num{text-align:right;font-variant-numeric:tabular-nums}\
.what{overflow-wrap:anywhere}\
.acts{white-space:nowrap}\
.logs{white-space:nowrap}.logs a{font-size:.85rem;margin-right:.35rem}\
button{font:inherit;font-size:.85rem;padding:.15rem .6rem;margin:0 .25rem 0 0;border:1px solid var(--line);\
border-radius:.35rem;background:var(--card);color:var(--link);cursor:pointer}\
button:hover:enabled{border-color:var(--link)}\
button:disabled{color:var(--soft);opacity:.45;cursor:default}\
:focus-visible{outline:2px solid var(--link);outline-offset:1px}\
summary{cursor:pointer;color:var(--soft);font-size:.85rem}\
.log summary{display:flex;gap:.5rem;min-width:0}\
.log summary::before{content:'\\25B8'}.log details[open]>summary::before{content:'\\25BE'}\
.log summary span{flex:1 1 0;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}\
.log summary,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
pre{margin:.3rem 0 .2rem;padding:.5rem .7rem;font-size:.8rem;background:var(--ground);\
border:1px solid var(--line);border-radius:.35rem;white-space:pre-wrap;overflow-wrap:anywhere;\
max-height:22rem;overflow:auto}\
.log details[open]>summary span{visibility:hidden}\
.log{max-width:0}\
.all{margin-bottom:.6rem}.all[open]{display:flex;flex-wrap:wrap;gap:.4rem;align-items:center}\
@media(max-width:52rem){main{padding:.7rem}\
table,tbody,tr,td,tbody th{display:block}thead{display:none}table{border:0;background:none}\
tbody{background:var(--card);border:1px solid var(--line);border-radius:.5rem;margin-bottom:.7rem;\
overflow:hidden}\
tbody tr:first-child{border-top:0}\
tr.one{display:flex;flex-wrap:wrap;align-items:baseline;gap:.15rem .7rem;padding:.5rem .7rem .4rem}\
tr.one>*{padding:0;text-align:left}\
tr.one th.member,tr.one th{flex:1 1 auto;min-width:50%;padding:0}\
tr.one .what{flex:1 1 100%;order:1;color:var(--soft)}\
tr.one .num{order:2;font-size:.85rem;color:var(--soft)}\
tr.one .num:empty{display:none}\
tr.one .num::before{content:attr(data-l) '\\a0'}\
tr.one .acts,tr.group .acts{order:3;flex:1 1 100%;white-space:normal;display:flex;flex-wrap:wrap;\
align-items:center;gap:.4rem}\
.logs:empty,tr.group .logs{display:none}\
tr.one .logs{order:4;flex:1 1 100%}.logs a{display:inline-block;margin-right:.8rem;padding:.3rem 0}\
button{margin:0;padding:.45rem .8rem;font-size:.9rem}\
tr.group{padding:.5rem .7rem}tr.group th,tr.group td{padding:0}tr.group .acts{margin-top:.4rem}\
tr.log td{padding:0 .7rem .5rem}tr.log{max-width:none}.push{margin-left:0}}\
";
