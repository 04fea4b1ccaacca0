// Where the time of one segment goes, operator by operator, with and without the optimizations: the
// table and the chart of npm run bench.
import { execFileSync } from 'node:child_process';

/** Operators below this share of the whole are counted together. */
const SMALLEST_SHARE = 0.01;
const REST = 'others';

/** What people call the operators; the rest keep their names. */
const NAMES = new Map([
  ['aten::mkldnn_convolution', 'convolution'],
  ['aten::_convolution', 'transposed convolution'],
  ['aten::addmm', 'linear'],
  ['mkldnn::_linear_pointwise', 'linear'],
  ['oxboard::linear', 'linear'],
  ['oxboard::linear_gelu', 'linear'],
  ['oxboard::linear_add', 'linear'],
  ['aten::_scaled_dot_product_flash_attention_for_cpu', 'attention'],
  ['oxboard::attention', 'attention'],
  ['oxboard::dconv_layer', 'DConv layer'],
  ['aten::native_group_norm', 'norms'],
  ['aten::native_layer_norm', 'norms'],
  ['oxboard::token_norm', 'norms'],
  ['oxboard::interleave', 'interleaving'],
  ['aten::mkldnn_rnn_layer', 'LSTM'],
  ['aten::copy_', 'copies'],
  ['aten::gelu', 'GELU'],
  ['aten::glu', 'GLU'],
  ['aten::add', 'sums'],
  ['aten::mul', 'products'],
  ['aten::bmm', 'batched products'],
  ['aten::_softmax', 'softmax'],
]);

/** Seconds of one run, and of each kind of operator in it. */
function measure(program, archive, samples, threads, optimizations) {
  const output = execFileSync(
    program,
    [archive, samples, threads, 3, ...optimizations].map(String),
  );
  const { seconds, operators } = JSON.parse(output);
  const kinds = new Map();
  for (const [operator, { seconds: own }] of Object.entries(operators)) {
    const kind = NAMES.get(operator) ?? operator.replace(/^.*::_?/, '');
    kinds.set(kind, (kinds.get(kind) ?? 0) + own);
  }
  return { seconds, kinds };
}

/** [kind, seconds before, seconds after], the longest first, small ones together. */
export function measureOperators(program, archive, samples, threads, optimizations) {
  const before = measure(program, archive, samples, threads, []);
  const after = measure(program, archive, samples, threads, optimizations);
  const rows = [];
  const rest = [REST, 0, 0];
  for (const kind of new Set([...before.kinds.keys(), ...after.kinds.keys()])) {
    const seconds = [before.kinds.get(kind) ?? 0, after.kinds.get(kind) ?? 0];
    if (Math.max(...seconds) >= SMALLEST_SHARE * before.seconds) {
      rows.push([kind, ...seconds]);
    } else {
      rest[1] += seconds[0];
      rest[2] += seconds[1];
    }
  }
  rows.sort((a, b) => b[1] - a[1]);
  return { before: before.seconds, after: after.seconds, rows: [...rows, rest] };
}

export function operatorTable({ before, after, rows }) {
  const milliseconds = (seconds) => (seconds * 1000).toFixed(0);
  return [
    '| operator, ms | plain graph | optimized |',
    '| --- | ---: | ---: |',
    ...rows.map(([kind, a, b]) => `| ${kind} | ${milliseconds(a)} | ${milliseconds(b)} |`),
    `| **whole run** | ${milliseconds(before)} | ${milliseconds(after)} |`,
  ].join('\n');
}

const WIDTH = 760;
const LABELS = 180;
const BAR = 11;

/** Two bars for each kind of operator, as an SVG. */
export function operatorChart(title, { rows }) {
  const longest = Math.max(...rows.flatMap(([, a, b]) => [a, b]));
  const length = (seconds) => ((WIDTH - LABELS - 70) * seconds) / longest;
  const bar = (y, seconds, colour) =>
    `<rect x="${LABELS}" y="${y}" width="${length(seconds).toFixed(1)}" height="${BAR}" fill="${colour}"/>` +
    `<text x="${(LABELS + length(seconds) + 5).toFixed(1)}" y="${y + BAR - 2}" fill="#555">${(seconds * 1000).toFixed(0)}</text>`;
  const top = 52;
  const step = 2 * BAR + 9;
  const body = rows.map(([kind, a, b], i) => {
    const y = top + i * step;
    return (
      `<text x="${LABELS - 8}" y="${y + BAR + 4}" text-anchor="end">${kind}</text>` +
      bar(y, a, '#b8bec9') +
      bar(y + BAR + 1, b, '#3b6fd4')
    );
  });
  const height = top + rows.length * step + 4;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="14">${title}</text>`,
    `<text x="12" y="38" fill="#555">milliseconds per segment: plain graph (grey), optimized (blue)</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}
