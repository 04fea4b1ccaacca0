// CommonJS, from Node.js 20.19: node commonjs.cjs
const { OxboardError, Separator } = require('oxboard-demucs');

async function main() {
  const sampleRate = 44100;
  const tone = Float32Array.from({ length: sampleRate }, (_, i) => Math.sin(i * 0.06) / 2);

  const separator = await Separator.load();
  const { stems, manifest } = await separator.separate({ sampleRate, channels: [tone, tone] });
  await separator.dispose();

  console.log(manifest.model.name, Object.keys(stems).join(' '), stems.vocals[0].length);
}

main().catch((error) => {
  console.error(error instanceof OxboardError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
});
