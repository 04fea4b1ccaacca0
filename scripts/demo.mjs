import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { scoreExample, writeExampleSong } from './example/song.mjs';
import { isFile, isFolder, root, stateDir } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main, SetupError } from './setup/report.mjs';

/** Models that are part of the repository. */
const isEmbedded = (name) => name.startsWith('oxboard-');

function adviseRealModel() {
  console.log(
    'Only a small model comes along, for trying things out. A trained one (Spleeter, MIT, 73 MB) ' +
      'separates vocals from the rest:\n  npm run demo -- song.mp3 --model spleeter-2stems\n',
  );
}

function installedModels() {
  return [process.env.DEMUCS_MODELS_PATH, join(root, 'models')]
    .filter((folder) => folder && isFolder(folder))
    .flatMap((folder) =>
      readdirSync(folder).filter(
        (name) => isFolder(join(folder, name)) && isFile(join(folder, name, 'model.json')),
      ),
    );
}

function songFrom(args) {
  const [song] = args;
  if (song && !song.startsWith('-')) {
    if (!isFile(song)) {
      throw new SetupError(`There is no file '${song}'.`, 'usage: npm run demo -- song.mp3');
    }
    return { song, rest: args.slice(1), example: false };
  }
  console.log(
    'No song given: the bundled example of 24 seconds is taken. Your own: npm run demo -- song.mp3',
  );
  return { song: join(stateDir, 'demo', 'example.wav'), rest: args, example: true };
}

/** The command's own end becomes ours, Ctrl-C included: it must reach the shell as a signal. */
function become(args, stdio = 'inherit') {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    process.on('SIGINT', ignore);
    const child = spawn(process.execPath, [join(root, 'dist/bin/cli.js'), ...args], { stdio });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      process.off('SIGINT', ignore);
      if (signal) process.kill(process.pid, signal);
      resolve({ status: status ?? 1, output });
    });
  });
}

/** Nothing is lost between the network and the comparison: float samples, no gain. */
async function separateExample(song) {
  const exact = ['--clip-mode', 'none', '--bit-depth', '32f', '--json'];
  const { status, output } = await become(
    ['separate', song, ...exact],
    ['inherit', 'pipe', 'inherit'],
  );
  if (status !== 0) return status;
  const { model, output: written } = JSON.parse(output);
  const stems = Object.fromEntries(
    Object.entries(written.stems).map(([name, { path }]) => [name, path]),
  );
  console.log('\nStem        SDR, dB   (the song itself as that stem)');
  for (const { name, sdr, before } of scoreExample(song, stems)) {
    const [after, first] = [sdr, before].map((value) => value.toFixed(1).padStart(7));
    console.log(`${name.padEnd(10)} ${after}   (${first})   ${stems[name]}`);
  }
  console.log('');
  if (isEmbedded(model)) adviseRealModel();
  return 0;
}

/** The model that the arguments name. */
function modelFrom(args) {
  const at = args.findIndex((arg) => /^(-n|--model)(=|$)/.test(arg));
  return at < 0 ? undefined : (/=(.*)/.exec(args[at])?.[1] ?? args[at + 1]);
}

await main(async () => {
  const args = process.argv.slice(2);
  const { song, rest, example } = songFrom(args);
  await setup();
  if (example) writeExampleSong(song);

  console.log('');
  if (example && rest.length === 0) return separateExample(song);
  const named = modelFrom(rest);
  const folders = rest.some((arg) => arg.startsWith('--models-dir'));
  if (named && !folders && !installedModels().includes(named)) {
    const { status } = await become(['models', 'pull', named]);
    if (status !== 0) return status;
  }
  const chosen = process.env.DEMUCS_DEFAULT_MODEL || named;
  if (!chosen && installedModels().every(isEmbedded)) adviseRealModel();
  return (await become(['separate', song, ...rest])).status;
});
