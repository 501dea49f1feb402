#!lua flags=no-writes
-- Whether an entry older than what the worker remembers is still valid; the answer is the position it was validated at. The
-- worker's own position has to be part of this history: a replica that was promoted may lack purges that the worker knows.
-- ARGV: epoch, the worker's position and tip, base, fingerprints
local clock = unbroken(ARGV[1], false)
if not clock or not contains(clock, tonumber(ARGV[2]), ARGV[3]) then return {'EPOCH'} end
local base, prints = tonumber(ARGV[4]), ARGV[5]
if base < clock.floor then return {'STALE'} end
for _, key in ipairs({tags, soft}) do
  for i = 1, #prints, 8 do
    local purged = redis.call('ZSCORE', key, string.sub(prints, i, i + 7))
    if purged and tonumber(purged) > base then return {'STALE'} end
  end
end
return {'OK', clock.seq}
