#!lua
-- Adds a line to the purge log. KEYS: the log; ARGV: lines kept, EPOCH/SEQ, the line
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'p', ARGV[2], 'r', ARGV[3])
