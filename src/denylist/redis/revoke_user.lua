local epoch_key = KEYS[3]
local user, now, known_epoch, expires_at = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

-- The rule is `next_epoch` of store.rs.
local epoch = math.max(math.max((read_epoch(epoch_key)), known_epoch) + 1, now)
raise_user(epoch_key, user, epoch, now, expires_at)
local _, issued_until = read_epoch(epoch_key)
local entry = user_entry(user, epoch, issued_until)
return { entry, redis.call('ZSCORE', revoked, entry) }
