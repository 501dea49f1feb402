-- The acknowledgement of a position and, if nothing is left to apply or all of it is in the reply, a lease.
-- ARGV: epoch, identity mode, position, tip, worker, lease in ms, whether the epoch has settled, entries at once
local pos = tonumber(ARGV[3])
local seq = same(ARGV[1], ARGV[2])
if not seq or not contains(seq, pos, ARGV[4]) then return {'EPOCH'} end
local lease = tonumber(redis.call('HGET', meta, 'lease') or '0')
if tonumber(ARGV[6]) > lease then redis.call('HSET', meta, 'lease', ARGV[6]) end
if ARGV[7] == '1' then redis.call('HSET', meta, 'settled', '1') end
redis.call('ZADD', acks, 'GT', pos, ARGV[5])
advance(seq, ARGV[1])
if pos == seq then
  redis.call('ZADD', grants, seq, ARGV[5])
  return {'LEASE', seq, {}}
end
local count = tonumber(ARGV[8])
local list = redis.call('XRANGE', log, id(pos + 1), '+', 'COUNT', count)
local first = list[1] and tonumber(string.match(list[1][1], '^%d+'))
if first ~= pos + 1 then return {'GAP', seq, redis.call('HGET', meta, 'tip')} end
if pos + #list < seq then return {'MORE', seq, list} end
-- The number granted at, not the acknowledgement: the worker has not applied the list yet, and EVICT looks at this.
redis.call('ZADD', grants, seq, ARGV[5])
return {'LEASE', seq, list}
