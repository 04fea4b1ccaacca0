/**
 * Writes the files that are made from others: `.env.example` and docs/configuration.md from the
 * settings of src/config.ts, and Dockerfile.cuda from Dockerfile. Run it with `npm run generate`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SETTINGS, type Setting } from '../src/config.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const LINE_LENGTH = 100;

/** The generated files: their paths below the root of the repository, and what belongs in them. */
export function generatedFiles(): Record<string, string> {
  return {
    '.env.example': envExample(),
    'docs/configuration.md': configurationPage(),
    'Dockerfile.cuda': cudaDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8')),
  };
}

function envExample(): string {
  const introduction = comment(
    'Settings of `oxboard serve`, `oxboard api` and `oxboard worker`. Copy this file to .env in the ' +
      'folder where they are started; variables that are already set there take precedence. ' +
      'Lines that are not commented show the defaults. An empty value counts as unset. A wrong value stops the start. ' +
      'This file is generated from src/config.ts by: npm run generate',
  );
  const groups = SETTINGS.map(({ heading, note, settings }) =>
    [
      `# --- ${heading} `.padEnd(LINE_LENGTH, '-'),
      ...(note === undefined ? [] : [comment(note)]),
      '',
      ...Object.entries(settings).map(([name, setting]) => exampleOf(name, setting)),
    ].join('\n'),
  );
  return `${[introduction, ...groups].join('\n\n')}\n`;
}

function exampleOf(name: string, setting: Setting): string {
  const { text, example } = setting;
  const commented = example !== undefined || setting.default === undefined;
  return `${comment(text)}\n${commented ? '#' : ''}${name}=${example ?? setting.default ?? ''}`;
}

/** As comment lines. */
function comment(text: string): string {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1) ?? ''} ${word}`;
    if (line.length > LINE_LENGTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = line;
  }
  return lines.join('\n');
}

function configurationPage(): string {
  const groups = SETTINGS.map(({ heading, note, settings }) =>
    [
      `## ${heading}`,
      ...(note === undefined ? [] : [note]),
      [
        '| Variable | Value | Default | Meaning |',
        '| --- | --- | --- | --- |',
        ...Object.entries(settings).map(([name, setting]) => rowOf(name, setting)),
      ].join('\n'),
    ].join('\n\n'),
  );
  return `# Configuration

Settings are environment variables. \`oxboard serve\`, \`api\` and \`worker\` also read a file \`.env\` in the
working directory; variables that are already set take precedence. [\`.env.example\`](../.env.example) is
such a file with every default. An empty value counts as unset.

A wrong value stops the start with the name, the value and what is allowed. A variable that is nearly a
setting is named in the log at the start. If it is nearly a secret (such as \`API_KEYZ\`), the service does
not start: without the right variable it might be open to everyone.

This page is generated from \`src/config.ts\` by \`npm run generate\`.

${groups.join('\n\n')}
`;
}

function rowOf(name: string, setting: Setting): string {
  const { schema, text, alias, secret } = setting;
  const notes = [
    text,
    ...(alias === undefined ? [] : [`\`${alias}\` has the same meaning.`]),
    ...(secret === true ? ['Secret: the value is never printed.'] : []),
  ];
  const initial = setting.default === undefined ? '' : `\`${setting.default}\``;
  return `| \`${name}\` | ${String(schema.description)} | ${initial} | ${notes.join(' ')} |`;
}

/** Docker has no include, and both files shall work alone. */
function cudaDockerfile(dockerfile: string): string {
  const header = `# The service on NVIDIA GPUs. Generated from Dockerfile by \`npm run generate\`: change that one.
#
#   docker build -f Dockerfile.cuda -t oxboard-cuda .
#   docker run --gpus all -p 8000:8000 -v oxboard-data:/data -v oxboard-models:/models oxboard-cuda
#
# NVIDIA's libraries come with libtorch. The host needs the driver and the container toolkit.
`;
  const replacements: [RegExp, string][] = [
    [/^(#.*\n)+/, header],
    [/(?<=^RUN npm run build:native)$/m, ' -- --cuda'],
    [
      /(?<=^ {4}ENVIRONMENT=production \\\n)/m,
      '    NVIDIA_VISIBLE_DEVICES=all \\\n    NVIDIA_DRIVER_CAPABILITIES=compute,utility \\\n',
    ],
  ];
  return replacements.reduce((text, [place, words]) => {
    if (!place.test(text)) throw new Error(`Dockerfile has nothing that matches ${String(place)}`);
    return text.replace(place, words);
  }, dockerfile);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [file, content] of Object.entries(generatedFiles())) {
    writeFileSync(join(root, file), content);
  }
}
