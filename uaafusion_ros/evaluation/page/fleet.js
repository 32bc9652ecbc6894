// Sorts the table of bags by the column whose heading was chosen; a second time turns it round.

function startSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector('button').addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => compare(a, b, column, down ? -1 : 1)));
    });
  });
}

// Values that are not known stay last, whichever way round.
function compare(a, b, column, sign) {
  const [x, y] = [a, b].map((row) => row.cells[column].dataset.value);
  if (x === '' || y === '') return (x === '') - (y === '');
  const difference = Number(x) - Number(y);
  return sign * (Number.isNaN(difference)
    ? x.localeCompare(y, 'en', {numeric: true}) : difference);
}

startTheme();
startPrinting();
startSorting(document.getElementById('bags'));
