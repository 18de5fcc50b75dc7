-- Drops what the numbered files and identity.sql have created; drop_functions.sql has dropped the rest. Each object
-- of a new numbered file is added here. Without cascade: an object of another program that depends on one of them makes
-- this fail, and nothing is changed.
drop table if exists users, user_words, tokens, conversations, members, messages, erasures, replied, thread_messages,
	reactions, reaction_counts, pins, search_blocks, search_heads,
	schema_migrations, schema_functions, schema_identity, epoch, group_profiles, bans, invites;
drop sequence if exists party_ids, message_ids, activities;
drop function if exists user_words_update, search_blocks_deleted;
drop collation if exists search_case;

-- The schema and its grants stay. It must be empty now.
do $$
declare
	v_rest text := (select string_agg(pg_describe_object(classid, objid, objsubid), ', ')
		from pg_depend
		where refclassid = 'pg_namespace'::regclass and refobjid = 'parley'::regnamespace and deptype = 'n');
begin
	if v_rest is not null then
		raise 'the schema parley has objects that are not parley''s' using detail = v_rest;
	end if;
end $$;
