-- Counts the groups of a user for their limit (in_too_many_groups). A direct chat has no join.
create index members_groups on members (user_id) where join_seq > 0;
