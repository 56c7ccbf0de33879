#pragma once
// What sorts, searches and pages the table of a cohort in the browser (inside of report/ only). `data` is defined before it.

#include <string_view>

namespace pulmoseg::report {

inline constexpr std::string_view cohort_script = R"(
(() => {
  'use strict';
  const perPage = 100, collator = new Intl.Collator('en', {numeric: true});
  const head = document.querySelector('#cases thead'), body = document.querySelector('#cases tbody');
  const filter = document.getElementById('filter'), shown = document.getElementById('shown');
  const back = document.getElementById('back'), on = document.getElementById('on');
  const texts = data.rows.map(row => row.join(' ').toLowerCase());
  let order = data.rows.map((_, i) => i), sorted = -1, downwards = false, page = 0;

  const number = text => text === '' ? NaN : Number(text);
  function rounded(text, decimals) {
    const value = number(text), words = value.toFixed(decimals);
    return value !== 0 && Number(words) === 0 ? value.toPrecision(1) : words;  // what is not 0 never looks like 0
  }
  function compare(a, b, column) {
    const x = data.rows[a][column], y = data.rows[b][column];
    if (x === '' || y === '') return (x === '') - (y === '');  // unknown comes last, either way
    const c = data.columns[column].number ? number(x) - number(y) : collator.compare(x, y);
    return downwards ? -c : c;
  }
  function sortBy(column) {
    downwards = column === sorted ? !downwards : data.columns[column].number;
    sorted = column;
    order.sort((a, b) => compare(a, b, column) || a - b);
    page = 0;
    show();
  }
  function cell(row, column) {
    const td = document.createElement('td'), text = data.rows[row][column], about = data.columns[column];
    if (about.number) td.className = 'n';
    const words = about.number && text !== '' ? rounded(text, about.decimals) : text;
    if (column === data.link && data.links[row]) {
      const a = td.appendChild(document.createElement('a'));
      a.href = data.links[row];
      a.textContent = words;
    } else td.textContent = words;
    return td;
  }
  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = order.filter(i => words.every(word => texts[i].includes(word)));
    const pages = Math.max(1, Math.ceil(found.length / perPage));
    page = Math.min(Math.max(page, 0), pages - 1);
    const first = page * perPage, rows = found.slice(first, first + perPage);
    body.replaceChildren(...rows.map(i => {
      const tr = document.createElement('tr');
      data.columns.forEach((_, column) => tr.append(cell(i, column)));
      return tr;
    }));
    shown.textContent = found.length
      ? `${first + 1} to ${first + rows.length} of ${found.length} cases` + (words.length ? ` that match, of ${data.rows.length}` : '')
      : 'no case matches';
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
    [...head.rows[0].cells].forEach((th, column) =>
      th.setAttribute('aria-sort', column !== sorted ? 'none' : downwards ? 'descending' : 'ascending'));
  }

  const line = head.insertRow();
  data.columns.forEach((column, i) => {
    const th = line.appendChild(document.createElement('th')), button = th.appendChild(document.createElement('button'));
    th.scope = 'col';
    if (column.number) th.className = 'n';
    button.type = 'button';
    button.textContent = column.label;
    button.addEventListener('click', () => sortBy(i));
  });
  filter.addEventListener('input', () => { page = 0; show(); });
  back.addEventListener('click', () => { --page; show(); });
  on.addEventListener('click', () => { ++page; show(); });
  document.querySelectorAll('[data-filter]').forEach(button => button.addEventListener('click', () => {
    filter.value = button.dataset.filter;
    page = 0;
    show();
    filter.scrollIntoView();
  }));
  show();
})();
)";

}  // namespace pulmoseg::report
