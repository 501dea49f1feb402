#!lua flags=no-writes
-- Who follows the clock: epoch, latest number, whether acknowledgements prove anything, up to where all have acknowledged,
-- and with their scores the workers' acknowledged positions, the positions of their last leases, and their leases in ms.
local have = redis.call('HMGET', meta, 'epoch', 'seq', 'settled', 'low')
local told = {have[1] or '', have[2] or '0', have[3] or '', have[4] or '0'}
for _, key in ipairs({acks, grants, leases}) do
  told[#told + 1] = redis.call('ZRANGE', key, 0, ARGV[1], 'WITHSCORES')
end
return told
