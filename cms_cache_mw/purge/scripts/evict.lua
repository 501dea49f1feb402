-- Unregisters workers that cannot hold a lease granted before purge `p`, after a full lease was waited out.
-- ARGV: epoch, identity mode, p
local seq = same(ARGV[1], ARGV[2])
if not seq then return {'EPOCH'} end
local p, gone = tonumber(ARGV[3]), {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', acks, '-inf', '(' .. ARGV[3])) do
  local granted = redis.call('ZSCORE', grants, worker)
  if not granted or tonumber(granted) < p then
    redis.call('ZREM', acks, worker)
    redis.call('ZREM', grants, worker)
    gone[#gone + 1] = worker
  end
end
return {'OK', advance(seq, ARGV[1]), gone}
