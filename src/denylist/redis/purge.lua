-- Drops some of what expired before the given time; answers how many, so that the caller knows whether to go on.
local old = redis.call('ZRANGEBYSCORE', revoked, '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
if #old > 0 then
  redis.call('ZREM', revoked, unpack(old))
end
return #old
