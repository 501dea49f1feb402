#!lua
-- Notes an entry in the index, if it is one of the sample; gives the sampling level and how many there are.
-- KEYS: the index; ARGV: the entry's name, its facts, a number from 0 to 65535 that is the name's own
local level = tonumber(redis.call('HGET', KEYS[1], '@level') or '0')
if tonumber(ARGV[3]) % 2 ^ level ~= 0 then return {level, 0} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {level, redis.call('HLEN', KEYS[1])}
