import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, it } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';
import { CREDENTIALS, startS3 } from '../support/s3.js';

const s3 = await startS3({ after });

void it('doctor tells whether the bucket of .env can be used, and what to do', async (context) => {
  const cwd = temporaryFolder(context);
  const examine = async (variables: Record<string, string>) => {
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(path.join(cwd, '.env'), lines.join(''));
    const { stdout } = await oxboard(['doctor', '--quick', '--json'], { cwd });
    assert.doesNotMatch(stdout, new RegExp(CREDENTIALS.AWS_SECRET_ACCESS_KEY));
    const { checks } = JSON.parse(stdout) as {
      checks: { name: string; status: string; text: string; mend?: string }[];
    };
    return checks.find(({ name }) => name === 'storage');
  };
  const bucket = await s3.bucket();
  const variables = {
    ...CREDENTIALS,
    STORAGE_URL: `s3://${bucket}/prefix`,
    AWS_ENDPOINT_URL: s3.url,
  };
  const good = await examine(variables);
  assert.deepEqual([good?.status, good?.text], ['ok', `s3://${bucket}/prefix can be written`]);

  const absent = await examine({ ...variables, STORAGE_URL: 's3://absent' });
  assert.equal(absent?.status, 'note');
  assert.match(absent.text, /no bucket absent there/);
  assert.match(absent.mend ?? '', /STORAGE_URL/);

  assert.equal(await examine({}), undefined);
});
