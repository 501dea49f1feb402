-- ARGV: epoch, identity mode, worker
local seq = same(ARGV[1], ARGV[2])
if not seq then return {'EPOCH'} end
redis.call('ZREM', acks, ARGV[3])
redis.call('ZREM', grants, ARGV[3])
return {'OK', advance(seq, ARGV[1])}
