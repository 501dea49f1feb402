#!lua flags=no-writes
-- The newest lines of the purge log. KEYS: the log; ARGV: how many
return redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])
