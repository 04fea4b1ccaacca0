/** Owns a private Redis in the folder that it is given, until it is told to stop or killed. */
import { createLogger } from '../../../src/observability/logger.js';
import { startPrivateRedis } from '../../../src/bin/service/private-redis.js';

const [, , dataDir = '', startTimeoutMs = '60000'] = process.argv;
const fsync = process.env.REDIS_FSYNC === 'always' ? 'always' : 'everysec';
const logger = createLogger({ environment: 'production', logLevel: 'info' });
try {
  const redis = await startPrivateRedis(
    { dataDir, fsync, logger, startTimeoutMs: Number(startTimeoutMs) },
    (error) => process.send?.({ givenUp: String(error) }),
  );
  process.send?.({ url: redis.url });
  process.on('message', () => {
    void redis.stop(0).then(() => process.exit());
  });
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  process.send?.({ code, message });
  process.exitCode = 1;
}
