-- The index of search (docs/design.md, "Search"). Nothing of the existing tables changes.

-- Search ignores case the same way in every database. A server that lacks the locale has another one, or that of the database.
do $$
begin
	create collation search_case (provider = libc, locale = 'C.UTF-8');
exception when others then
	begin
		create collation search_case (provider = icu, locale = 'und');
	exception when others then
		create collation search_case from "default";
	end;
end $$;

-- What the texts of 128 consecutive seqs of a conversation can be found by: see search_build in functions.sql.
create table search_blocks (
	conv_id bigint not null,
	block int not null,		-- seqs 128 * block + 1 to 128 * block + 128
	first_at timestamptz(3) not null,
	last_at timestamptz(3) not null,
	terms int4[] not null,
	primary key (conv_id, block)
);
alter table search_blocks alter terms set storage external;	-- hashes do not compress

-- How far a conversation is indexed.
create table search_heads (
	conv_id bigint primary key,
	from_seq bigint not null,	-- messages from here on
	seq bigint not null,		-- last_seq and last_mod of the conversation when its changes were indexed last
	mod bigint not null,
	n_open int not null,		-- messages in the newest block then; 0 if it was full
	indexed_at timestamptz not null
) with (fillfactor = 60);

-- The index of an existing database is created by the indexer when the blocks are filled, which takes a fifth of the time.
do $$
begin
	if not exists (select from messages) then
		create index search_blocks_terms on search_blocks using gin (terms) with (fastupdate = off);
	end if;
end $$;

-- A conversation that loses a block is indexed again: the index may be emptied by hand.
create function search_blocks_deleted() returns trigger language plpgsql set search_path = parley, pg_temp as $$
begin
	if tg_op = 'TRUNCATE' then
		truncate search_heads;
	else
		delete from search_heads h where h.conv_id in (select g.conv_id from gone g);
	end if;
	return null;
end $$;
create trigger search_blocks_deleted after delete on search_blocks referencing old table as gone
	for each statement execute function search_blocks_deleted();
create trigger search_blocks_truncated after truncate on search_blocks
	for each statement execute function search_blocks_deleted();
