local family_key = KEYS[3]
local family, caller, id, expires_at, margin = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local answer = 'token'
-- An id that cannot be one of ours by its shape names no family.
if family ~= '' then
  local known = redis.call('HMGET', family_key, 'user', 'last_expiry')
  if known[1] == caller then
    return { 'family', end_family(family_key, family, known[2], margin) }
  elseif known[1] then
    answer = 'foreign'
  end
end
list('t\t' .. caller .. '\t' .. id, expires_at)
return { answer, expires_at }
