/**
 * Spleeter's network as TorchScript source, which libtorch compiles when a model is pulled.
 *
 * Port of spleeter/model/__init__.py and spleeter/model/functions/unet.py (Deezer, MIT): magnitude STFT
 * -> one U-net for each stem -> masks by the ratio of the squared outputs -> inverse STFT.
 * (batch, 2, samples) -> (batch, stems, 2, samples), for whole runs of {@link FRAMES} frames.
 */
const FRAME = 4096;
const HOP = 1024;
/** Frames of one segment: "T" of Spleeter's configuration. */
const FRAMES = 512;
/** Bins that the networks see: "F". Above them the masks are zero. */
const BINS = 1024;
const LEVELS = 6;
const CHANNELS = 2;
/** torch.channels_last as a number: the compiler of TorchScript source does not know the name. */
const CHANNELS_LAST = 2;

/** How songs are cut for these networks, in sample frames; see ModelDescription. */
export const SPLEETER_SEGMENT = {
  segment: FRAMES * HOP + FRAME - HOP,
  /** A frame that lies across the end of a segment is shared with the next one. */
  overlapAdd: { overlap: FRAME - HOP, lead: FRAME },
};

/** The attribute of the graph that a tensor of the checkpoint fills. */
export const spleeterParameter = (tensor: string): string => tensor.replaceAll('/', '__');

type Shapes = [name: string, shape: number[]][];

/** Layers of one kind are numbered over all stems, the first without a number. */
const layer = (kind: string, index: number): string => (index === 0 ? kind : `${kind}_${index}`);

/** Channels after the convolution of a level. */
const channelsOf = (level: number): number => 16 * 2 ** level;
/** Channels that the decoder's step `step` makes. */
const decodedBy = (step: number): number =>
  step === LEVELS - 1 ? 1 : channelsOf(LEVELS - 2 - step);

function convolution(stem: number, level: number): Shapes {
  const name = layer('conv2d', stem * (LEVELS + 1) + level);
  const [size, from, to] =
    level === LEVELS
      ? [4, 1, CHANNELS]
      : [5, level === 0 ? CHANNELS : channelsOf(level - 1), channelsOf(level)];
  return [
    [`${name}/kernel`, [size, size, from, to]],
    [`${name}/bias`, [to]],
  ];
}

function transposed(stem: number, step: number): Shapes {
  const name = layer('conv2d_transpose', stem * LEVELS + step);
  // From the second step on, the encoder's output of that size stands beside what came before.
  const from = step === 0 ? channelsOf(LEVELS - 1) : 2 * decodedBy(step - 1);
  const to = decodedBy(step);
  return [
    [`${name}/kernel`, [5, 5, to, from]],
    [`${name}/bias`, [to]],
  ];
}

/** @param index the encoder's levels come first, then the decoder's steps. */
function norm(stem: number, index: number): Shapes {
  const name = layer('batch_normalization', stem * 2 * LEVELS + index);
  const channels = index < LEVELS ? channelsOf(index) : decodedBy(index - LEVELS);
  return ['beta', 'gamma', 'moving_mean', 'moving_variance'].map((part) => [
    `${name}/${part}`,
    [channels],
  ]);
}

/** Names and shapes of the checkpoint's tensors that the network of so many stems uses. */
export function spleeterTensors(stems: number): Map<string, number[]> {
  const levels = Array.from({ length: LEVELS + 1 }, (_, level) => level);
  const norms = Array.from({ length: 2 * LEVELS }, (_, index) => index)
    // The sixth convolution's norm leads nowhere: the decoder takes what came before it.
    .filter((index) => index !== LEVELS - 1);
  const all = Array.from({ length: stems }, (_, stem): Shapes => [
    ...levels.flatMap((level) => convolution(stem, level)),
    ...levels.slice(0, LEVELS).flatMap((step) => transposed(stem, step)),
    ...norms.flatMap((index) => norm(stem, index)),
  ]);
  return new Map(all.flat());
}

/**
 * Written for speed on the CPU: images lie channels-last, which oneDNN convolves without reordering them,
 * and spectra lie frame by frame. Everything that depends on weights alone is folded when a model is loaded.
 */
const METHODS = `
def norm(self, x, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor):
    return torch.batch_norm(x, gamma, beta, mean, variance, False, 0.0, 0.001, False)

def down(self, x, kernel: Tensor, bias: Tensor):
    weight = kernel.permute([3, 2, 0, 1]).contiguous(memory_format=${CHANNELS_LAST})
    return torch.conv2d(torch.constant_pad_nd(x, [1, 2, 1, 2]), weight, bias, [2, 2])

def up(self, x, kernel: Tensor, bias: Tensor):
    out, channels = kernel.size(2), kernel.size(3)
    taps = torch.constant_pad_nd(kernel.permute([2, 3, 0, 1]), [1, 0, 1, 0])
    taps = torch.flip(taps.reshape([out, channels, 3, 2, 3, 2]), [2, 4])
    weight = taps.permute([0, 3, 5, 1, 2, 4]).reshape([4 * out, channels, 3, 3])
    weight = weight.contiguous(memory_format=${CHANNELS_LAST})
    grown = torch.conv2d(x, weight, torch.repeat_interleave(bias, 4), [1, 1], [1, 1])
    return torch.pixel_shuffle(torch.relu(grown), 2)

def last(self, x, kernel: Tensor, bias: Tensor):
    weight = kernel.permute([3, 2, 0, 1]).contiguous()
    padded = torch.constant_pad_nd(x.contiguous(), [3, 3, 3, 3])
    return torch.sigmoid(torch.conv2d(padded, weight, bias, [1, 1], [0, 0], [2, 2]))
`;

const self = (shapes: Shapes): string =>
  shapes.map(([name]) => `self.${spleeterParameter(name)}`).join(', ');

/** The lines that compute one stem's magnitudes from those of the song, `low`. */
function unet(stem: number): string[] {
  const lines = [`c0 = self.down(image, ${self(convolution(stem, 0))})`];
  for (let level = 1; level < LEVELS; level++) {
    const before = `self.norm(c${level - 1}, ${self(norm(stem, level - 1))})`;
    lines.push(
      `c${level} = self.down(torch.leaky_relu(${before}, 0.2), ${self(convolution(stem, level))})`,
    );
  }
  lines.push(`y = c${LEVELS - 1}`);
  for (let level = 0; level < LEVELS; level++) {
    const grown = `self.up(y, ${self(transposed(stem, level))})`;
    lines.push(`y = self.norm(${grown}, ${self(norm(stem, LEVELS + level))})`);
    if (level < LEVELS - 1) lines.push(`y = torch.cat([c${LEVELS - 2 - level}, y], 1)`);
  }
  lines.push(`part${stem} = self.last(y, ${self(convolution(stem, LEVELS))}) * low`);
  return lines;
}

/** The source for a model of so many stems, in the order of the checkpoint. */
export function spleeterSource(stems: number): string {
  const all = Array.from({ length: stems }, (_, stem) => stem);
  const overlaps = FRAME / HOP;
  const lines = [
    'batch, channels, samples = x.size(0), x.size(1), x.size(2)',
    `window = torch.hann_window(${FRAME}, dtype=x.dtype, device=x.device)`,
    `spectrum = torch.fft_rfft(x.unfold(2, ${FRAME}, ${HOP}) * window, ${FRAME}, 3)`,
    'frames = spectrum.size(2)',
    `spectrum = spectrum[:, :, :, :${BINS}]`,
    `low = torch.abs(spectrum).contiguous()`,
    `image = low.contiguous(memory_format=${CHANNELS_LAST})`,
    ...all.flatMap(unet),
    `squares = torch.stack([${all.map((stem) => `part${stem} * part${stem}`).join(', ')}], 1)`,
    `masks = (squares + ${1e-10 / stems}) / (torch.sum(squares, [1], True) + 1e-10)`,
    'stems = torch.view_as_real(spectrum).unsqueeze(1) * masks.unsqueeze(5)',
    // It fills up what lies above BINS with zeros.
    `pieces = torch.fft_irfft(torch.view_as_complex(stems), ${FRAME}, 4)`,
    // Windows of a quarter's distance sum to 3/2 when they are applied twice.
    `pieces = torch.mul_(pieces, window * ${2 / 3})`,
    `sums = torch.zeros([batch, ${stems}, channels, frames + ${overlaps - 1}, ${HOP}], ` +
      'dtype=x.dtype, device=x.device)',
    ...Array.from(
      { length: overlaps },
      (_, part) =>
        `sums[:, :, :, ${part}:${part} + frames] += ` +
        `pieces[:, :, :, :, ${part * HOP}:${(part + 1) * HOP}]`,
    ),
    `return sums.reshape([batch, ${stems}, channels, samples])`,
  ];
  return `${METHODS}
def forward(self, x):
${lines.map((line) => `    ${line}`).join('\n')}
`;
}
