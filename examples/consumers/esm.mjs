// ECMAScript modules: node esm.mjs
import { Separator } from 'oxboard-demucs';

const sampleRate = 44100;
const tone = Float32Array.from({ length: sampleRate }, (_, i) => Math.sin(i * 0.06) / 2);

const separator = await Separator.load();
const { stems, manifest } = await separator.separate({ sampleRate, channels: [tone, tone] });
await separator.dispose();

console.log(manifest.model.name, Object.keys(stems).join(' '), stems.vocals[0].length);
