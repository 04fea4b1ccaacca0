import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isFile, isFolder, root, stateDir } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main, SetupError } from './setup/report.mjs';
import { writeTestSong } from './test-song.mjs';

const untrained = 'oxboard-untrained';

function installedModels() {
  return [process.env.DEMUCS_MODELS_PATH, join(root, 'models')]
    .filter((folder) => folder && isFolder(folder))
    .flatMap((folder) =>
      readdirSync(folder).filter((name) => isFile(join(folder, name, 'model.json'))),
    );
}

function songFrom(args) {
  const [song] = args;
  if (song && !song.startsWith('-')) {
    if (!isFile(song)) {
      throw new SetupError(`There is no file '${song}'.`, 'usage: npm run demo -- song.mp3');
    }
    return { song, rest: args.slice(1) };
  }
  const made = join(stateDir, 'demo', 'test-song.wav');
  console.log(
    'No song given: a made-up one of 20 seconds is taken. Your own: npm run demo -- song.mp3',
  );
  return { song: made, rest: args, make: writeTestSong };
}

/** The command's own end becomes ours, Ctrl-C included: it must reach the shell as a signal. */
function become(command, args) {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    process.on('SIGINT', ignore);
    const child = spawn(command, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      process.off('SIGINT', ignore);
      if (signal) process.kill(process.pid, signal);
      resolve(status ?? 1);
    });
  });
}

await main(async () => {
  const args = process.argv.slice(2);
  const { song, rest, make } = songFrom(args);
  await setup();
  make?.(song);

  const chosen = process.env.DEMUCS_DEFAULT_MODEL || rest.some((arg) => /^(-n|--model)/.test(arg));
  const models = installedModels();
  if (!chosen && models.length && models.every((name) => name === untrained)) {
    console.log(
      '\nThe only model here has untrained weights: the stems will not be separated music, ' +
        'this only shows that the pipeline works.',
    );
  }
  console.log('');
  return become(process.execPath, [join(root, 'dist/bin/cli.js'), 'separate', song, ...rest]);
});
