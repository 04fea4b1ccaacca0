/**
 * What clients have posted, counted in Redis.
 */
import type { PostCounts } from '../jobs/ports.js';
import type { QueueConnection } from './connection.js';

export const createPostCounts = ({ scripts }: QueueConnection): PostCounts => ({
  reserve: async (client, limits) => scripts.reservePost({ client, ...limits }),
  async release(client, { period }, unused) {
    await scripts.releasePost({ client, period, ...unused });
  },
});
