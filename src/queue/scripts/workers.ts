import { script } from '../../redis/connection.js';
import { PRELUDE } from './prelude.js';

/** ARGV: id, announcement, milliseconds that it holds, milliseconds after which it is forgotten. */
export const ANNOUNCE = script(`${PRELUDE}
even_without_memory()
local at = now()
call('HSET', P .. 'workers', ARGV[1], ARGV[2])
call('ZADD', P .. 'workers:live', int(at + tonumber(ARGV[3])), ARGV[1])
call('ZADD', P .. 'workers:known', int(at), ARGV[1])
call('ZREMRANGEBYSCORE', P .. 'workers:live', '-inf', int(at - 1))
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers:known', '-inf', int(at - tonumber(ARGV[4])))) do
  call('ZREM', P .. 'workers:known', id)
  call('HDEL', P .. 'workers', id)
end
`);

/** ARGV: id. */
export const WITHDRAW = script(`${PRELUDE}
call('ZREM', P .. 'workers:live', ARGV[1])
`);

/** Returns announcements of the live workers, and those last heard of with when that was. */
export const WORKERS = script(`${PRELUDE}
local live, known = {}, {}
for at, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers:live', int(now()), '+inf')) do
  live[at] = call('HGET', P .. 'workers', id)
end
local entries = call('ZREVRANGE', P .. 'workers:known', 0, -1, 'WITHSCORES')
for at = 1, #entries, 2 do
  known[#known + 1] = { entries[at + 1], call('HGET', P .. 'workers', entries[at]) }
end
return { live, known }
`);
