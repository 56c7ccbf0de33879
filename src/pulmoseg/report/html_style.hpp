#pragma once
// How reports look on a screen and on A4 (inside of report/ only). Colours as in canvas.hpp.

#include <string_view>

namespace pulmoseg::report {

inline constexpr std::string_view html_style = R"(
:root{--ink:#1b2631;--faint:#52606e;--rule:#d7dee5;--tint:#f3f6f9;--brand:#0b4a6f;--lesion:#e69f00;--lung:#56b4e9}
*{box-sizing:border-box;margin:0}
html{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font:14px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",Arial,sans-serif;color:var(--ink);background:#e6ebf0}
.page{background:#fff;max-width:1180px;margin:20px auto;padding:28px 36px 18px;box-shadow:0 1px 6px #0b4a6f26}
header{display:flex;gap:24px;align-items:flex-end;justify-content:space-between;border-bottom:3px solid var(--brand);padding-bottom:8px}
h1{font-size:1.55em;line-height:1.2;color:var(--brand);font-weight:650}
h2{font-size:1em;line-height:1.3;color:var(--brand);font-weight:650;margin:0 0 5px}
.sub{font-size:1.02em;overflow-wrap:anywhere}
.right{text-align:right;flex:none;color:var(--faint);font-size:.9em}
.use{font-weight:650;color:var(--ink)}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:5px 22px;margin:12px 0}
dt,.k{font-size:.78em;color:var(--faint)}
dd{overflow-wrap:anywhere;line-height:1.3}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:12px 0}
.card{background:var(--tint);border-left:4px solid var(--brand);padding:8px 12px}
.card b{display:block;font-size:1.7em;line-height:1.2;font-weight:650}
.card span{font-size:.85em;color:var(--faint);display:block}
.notes{border:1px solid #c9a23a;border-left:5px solid #b37400;background:#fdf8ea;padding:8px 14px;margin:12px 0}
.caution{border-left:5px solid #b3261e;background:#fdecea;padding:5px 14px;margin:10px 0 6px}
.notes ul{padding-left:18px;columns:2;column-gap:28px;font-size:.9em}
.notes ul.few{columns:1}
.notes li{break-inside:avoid;overflow-wrap:anywhere;margin-bottom:1px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:28px;margin:12px 0}
.two>.wide{grid-column:span 2}
table{border-collapse:collapse;width:100%;font-size:.9em}
th{text-align:left;font-weight:600;color:var(--faint);border-bottom:1.5px solid var(--rule);padding:2px 8px 2px 0}
td{border-bottom:1px solid var(--rule);padding:2px 8px 2px 0;overflow-wrap:anywhere}
tbody th{color:var(--ink);font-weight:400;border-bottom:1px solid var(--rule)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{width:34%;padding-right:0}
.bar svg{display:block;width:100%;height:.85em}
.quarter{stroke:#9fb0bf;stroke-width:1px;vector-effect:non-scaling-stroke;fill:none}
.regions tbody th{white-space:nowrap}
.views{display:grid;grid-template-columns:1fr 1fr;gap:14px 18px;margin:12px 0 0}
.views.single{grid-template-columns:1fr}
.montage{display:grid;grid-template-columns:repeat(4,1fr);gap:8px}
figure{display:flex;flex-direction:column;min-height:0;min-width:0}
figure>svg{display:block;width:100%;flex:1 1 auto;min-height:0}
.views figure>svg{max-height:340px;background:#000}
.views figure.paper>svg{background:#fff}
.montage figure>svg{background:#000}
figcaption{font-size:.82em;color:var(--faint);padding-top:3px;display:flex;justify-content:space-between;gap:8px;flex-wrap:wrap}
figcaption b{color:var(--ink);font-weight:600}
svg text{font-family:inherit;fill:var(--ink)}
svg .side text{fill:#fff;stroke:#000;stroke-width:.22em;paint-order:stroke;font-weight:700}
.views.single .side{font-size:14px}
.paper .side text{fill:var(--ink);stroke:#fff}
.contours use{fill:none}
.contours .edge{stroke:#000;stroke-opacity:.45;stroke-width:2.6px}
.contours .lesion{stroke:var(--lesion);stroke-width:1.5px}
.contours .lung{stroke:var(--lung);stroke-width:1.1px}
.plane{stroke:#fff;stroke-opacity:.6;stroke-width:.8px;stroke-dasharray:5 4;fill:none;vector-effect:non-scaling-stroke}
.silhouette{stroke:#7d93a6;stroke-width:1px;vector-effect:non-scaling-stroke}
.legend{list-style:none;padding:0;display:flex;gap:4px 12px;flex-wrap:wrap}
.legend i{display:inline-block;width:11px;height:11px;margin-right:4px;vertical-align:-1px}
.legend i.line{height:3px;width:16px;vertical-align:3px}
.head{display:flex;justify-content:space-between;align-items:baseline;gap:12px;font-size:.95em}
.switch{font-size:.88em;color:var(--faint);cursor:pointer}
main:has(#contours:not(:checked)) .contours{display:none}
.chart{display:block;width:100%;height:auto}
.chart text{font-size:11px;fill:var(--faint)}
.chart .grid{stroke:var(--rule);fill:none}
.small{font-size:.84em;color:var(--faint)}
.small+.small{margin-top:4px}
.small b{color:var(--ink);font-weight:600}
footer{display:flex;justify-content:space-between;gap:16px;border-top:1px solid var(--rule);margin-top:14px;padding-top:6px;font-size:.8em;color:var(--faint)}
footer span{overflow-wrap:anywhere}
footer .short{flex:none}
button{font:inherit;color:var(--brand);background:none;border:0;padding:0;cursor:pointer;text-align:inherit}
button:hover{text-decoration:underline}button:disabled{color:#7c8894;cursor:default;text-decoration:none}
button:focus-visible,input:focus-visible,a:focus-visible{outline:2px solid #0072b2;outline-offset:2px}
a{color:var(--brand)}
input[type=search]{font:inherit;padding:3px 8px;border:1px solid #9aa7b3;border-radius:3px;width:260px}
.cohort{max-width:1360px}
.histograms{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:8px 24px;max-width:1300px}
.counts{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:3px 20px;font-size:.9em}
.scroll{overflow-x:auto}
#cases .n+:not(.n){padding-left:14px}
#cases td:not(.n){overflow-wrap:anywhere}
#cases td:not(.n):last-child{min-width:190px}
#cases td:first-child{min-width:110px}
#cases td:nth-child(2):not(.n){white-space:nowrap}
#cases th{vertical-align:bottom;white-space:normal}
#cases th button{font-weight:600}
th[aria-sort=ascending] button::after{content:" ▲"}th[aria-sort=descending] button::after{content:" ▼"}
.group th{color:var(--brand);font-weight:600;padding-top:6px}
.pager{margin-top:8px;display:flex;gap:18px}
@media screen and (max-width:760px){.facts,.cards,.two,.views,.montage{grid-template-columns:1fr 1fr}.two,.views{grid-template-columns:1fr}.two>.wide{grid-column:auto}.page{padding:16px}.notes ul{columns:1}}
@page{size:A4 portrait;margin:0}
@media print{
body{background:#fff;font-size:9pt;line-height:1.3}
.switch{display:none}
.page{box-shadow:none;max-width:none;margin:0;width:210mm;height:296.5mm;padding:11mm 14mm 8mm;display:flex;flex-direction:column;break-after:page;break-inside:avoid}
.page:last-of-type{break-after:auto}
.facts{margin:2mm 0;gap:.6mm 4mm;grid-template-columns:repeat(auto-fit,minmax(31mm,1fr))}.cards{margin:1.5mm 0 2mm;gap:3mm}.card{padding:1.5mm 3mm}.notes{margin:1.5mm 0;padding:1.5mm 3mm}
.two{margin:2mm 0;gap:7mm}
.views{flex:1 1 0;min-height:60mm;grid-auto-rows:minmax(0,1fr);gap:2.5mm 5mm;margin-top:2mm}
.views figure>svg{max-height:none;height:0}
.grow{flex:1 1 0;min-height:55mm;display:flex;flex-direction:column}
.grow .montage{flex:1 1 0;min-height:0;grid-auto-rows:minmax(0,1fr);gap:1.5mm 2mm}
.montage figure>svg{height:0}
.views.single .contours .lesion{stroke-width:1.6px}.views.single .contours .lung{stroke-width:1.2px}.views.single .contours .edge{stroke-width:2.6px}
.contours .lesion{stroke-width:.8px}.contours .lung{stroke-width:.6px}.contours .edge{stroke-width:1.4px}
@page flow{size:A4 portrait;margin:11mm 14mm 9mm}
.page.flow{page:flow;display:block;width:auto;height:auto;padding:0;break-inside:auto}.flow .notes,.flow tr{break-inside:avoid}.compared{font-size:.84em}.compared tbody th{white-space:nowrap}
@page cohort{size:A4 landscape;margin:0}
.page.cohort{page:cohort;display:block;width:auto;height:auto;padding:11mm 12mm;break-inside:auto}
#cases td:not(.n):last-child{min-width:36mm}#cases td:first-child{min-width:20mm}.scroll{overflow:visible}
.cohort .pager,.cohort input,.cohort label{display:none}.cohort tr{break-inside:avoid}.cohort table{font-size:.78em}
.histograms{grid-template-columns:repeat(4,1fr)}
footer{margin-top:2.5mm;padding-top:1.5mm}
td,th{padding-top:.3mm;padding-bottom:.3mm}
figcaption{padding-top:.5mm;font-size:.74em;gap:4px}
.notes ul.many{font-size:.76em;line-height:1.22}
.notes:has(.many)~.views{grid-template-columns:repeat(4,1fr);min-height:42mm}
}
)";

}  // namespace pulmoseg::report
