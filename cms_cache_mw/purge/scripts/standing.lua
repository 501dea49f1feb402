#!lua flags=no-writes
-- What the clock knows of its purges: epoch, latest number, whether acknowledgements prove anything, up to where all
-- workers have acknowledged, and who has not acknowledged purge ARGV[1].
local have = redis.call('HMGET', meta, 'epoch', 'seq', 'settled', 'low')
local behind = redis.call('ZRANGEBYSCORE', acks, '-inf', '(' .. ARGV[1])
return {have[1] or '', have[2] or '0', have[3] or '', have[4] or '0', behind}
