-- Lines that a replica knows and that were lost here: `line`, entry, expiry; or `user`, name, epoch, last bad iat, expiry,
-- with the key of the user's epoch. Answers how many were really missing.
local added, key, at = 0, 2, 2
while ARGV[at + 1] do
  if ARGV[at + 1] == 'user' then
    key = key + 1
    local user, epoch, issued_until = ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    added = added + raise_user(KEYS[key], user, epoch, issued_until, ARGV[at + 5])
    at = at + 5
  else
    added = added + list(ARGV[at + 2], ARGV[at + 3])
    at = at + 3
  end
end
return added
