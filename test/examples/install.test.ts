/** The packed package in a fresh project, as `npm install` leaves it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { installPacked, pack, root, type InstalledProject } from '../support/installed-project.js';

describe('the package', () => {
  const packed = pack(temporaryFolder({ after }));
  let installation: InstalledProject;
  // A hook that is registered within `before` would run at its end.
  const hooks: (() => void)[] = [];
  before(async () => {
    installation = await installPacked({ after: (hook) => hooks.push(hook) });
  });
  after(() => hooks.forEach((hook) => hook()));

  it('holds what it needs and no more', () => {
    const kinds = new Set(packed.files.map(({ path: file }) => file.split('/')[0]));
    assert.deepEqual([...kinds].sort(), [
      '.env.example',
      'CMakeLists.txt',
      'LICENSE',
      'README.md',
      'binding.gyp',
      'dist',
      'docs',
      'examples',
      'models',
      'native',
      'package.json',
      'scripts',
    ]);
    const unwanted = packed.files.filter(({ path: file }) =>
      /\.map$|\.tsbuildinfo$|__pycache__|^native\/test|requirements-dev|scripts\/(train|parity|bench|load)/.test(
        file,
      ),
    );
    assert.deepEqual(unwanted, []);
    // Swagger UI is 2 MB of it, the embedded model 3 MB.
    assert.ok(packed.unpackedSize < 14e6, `${String(packed.unpackedSize)} bytes`);
  });

  it('has what its README links to', () => {
    const files = packed.files.map(({ path: file }) => file);
    const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
    const links = [...readme.matchAll(/\]\(([^)#]+)/g)]
      .map(([, link]) => link!)
      .filter((link) => !link.includes('://'));
    assert.ok(links.length > 20);
    assert.deepEqual(
      links.filter((link) => !files.some((file) => file === link || file.startsWith(`${link}/`))),
      [],
    );
  });

  it('brings few packages, and names the command that installs what a setting needs', async (context) => {
    const { project, node } = installation;
    const lock = JSON.parse(
      readFileSync(path.join(project, 'node_modules/.package-lock.json'), 'utf8'),
    ) as { packages: Record<string, { hasInstallScript?: boolean }> };
    const packages = Object.keys(lock.packages);
    context.diagnostic(`${String(packages.length)} packages`);
    const optional = /@aws-sdk|@smithy|@opentelemetry\/(?!api$)|swagger|@scarf/;
    assert.deepEqual(
      packages.filter((name) => optional.test(name)),
      [],
    );

    const storage = await node(`
      const { openStorage } = await import('./node_modules/oxboard-demucs/dist/storage/open.js');
      await openStorage({ storageUrl: 's3://bucket', dataDir: '.' });`);
    assert.match(storage.stderr, /PACKAGE_MISSING/);
    assert.match(
      storage.stderr,
      /A bucket as STORAGE_URL needs packages .* with: npm install @aws-sdk\/client-s3@\^\S+ @aws-sdk\/lib-storage@/,
    );
    const tracing = await node(`
      const { startTracer } = await import('./node_modules/oxboard-demucs/dist/bin/service/start-role.js');
      await startTracer('api', { tracing: {} });`);
    assert.match(
      tracing.stderr,
      /Tracing \(.*\) needs packages .* npm install @opentelemetry\/api@/,
    );
  });

  it('installs, names the command that builds its binary, and separates with the binary', async () => {
    const { installed, consumer } = installation;
    const before = await consumer();
    assert.notEqual(before.status, 0);
    assert.match(before.stderr, /npx oxboard setup/);

    for (const entry of ['build', 'build-gyp', '.libtorch']) {
      const built = path.join(root, entry);
      if (existsSync(built)) symlinkSync(built, path.join(installed, entry));
    }
    const afterwards = await consumer();
    assert.equal(afterwards.status, 0, afterwards.stderr);
    assert.match(afterwards.stdout, /drums bass other vocals 44100/);
  });
});
