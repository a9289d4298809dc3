from django.db import migrations

# Statements that SQLite and PostgreSQL both understand: there may be millions of rows.
# Conversations that a token was shown, by the credentials that hold it.
_TAKE_OVER = """
    UPDATE {table} SET api_token_id =
        (SELECT api_token_id FROM accounts_credential AS held WHERE held.id = {table}.credential_id)
"""
_ONE_OF_EACH = """
    DELETE FROM {table} WHERE id IN (
        SELECT id FROM (
            SELECT id, ROW_NUMBER() OVER (PARTITION BY api_token_id, {key} ORDER BY {best}) AS place FROM {table}
        ) AS ranked WHERE place > 1
    )
"""
_TABLES = {
    "conversations_walk": ("member", "CASE WHEN checked_at IS NULL THEN 1 ELSE 0 END, checked_at DESC, id"),
    "conversations_member": ("omni_id", "id"),
    "conversations_capture": ("job_id", "id"),
}
# A list reply to another token, which the credential held before, is no word to this one.
_OF_OTHER_TOKENS = """
    UPDATE conversations_access SET listed_at = NULL, confirmed_at = NULL WHERE NOT EXISTS (
        SELECT 1 FROM accounts_credential AS holder JOIN accounts_apitoken AS held ON held.id = holder.api_token_id
        WHERE holder.id = conversations_access.credential_id AND held.digest = conversations_access.token
    )
"""
# An organization's key has one for each of its holders: those that go are not taken over first.
_ONE_ACCESS_A_TOKEN = """
    DELETE FROM conversations_access WHERE id IN (
        SELECT id FROM (
            SELECT shown.id AS id, ROW_NUMBER() OVER (
                PARTITION BY holder.api_token_id, shown.conversation_id
                ORDER BY CASE WHEN shown.listed_at IS NULL THEN 1 ELSE 0 END, shown.listed_at DESC, shown.id
            ) AS place
            FROM conversations_access AS shown JOIN accounts_credential AS holder ON holder.id = shown.credential_id
        ) AS ranked WHERE place > 1
    )
"""
_WALKS_OF_OTHER_TOKENS = """
    DELETE FROM conversations_walk WHERE token <> '' AND NOT EXISTS (
        SELECT 1 FROM accounts_apitoken AS held
        WHERE held.id = conversations_walk.api_token_id AND held.digest = conversations_walk.token
    )
"""
# The rows as lists have told them. Nobody's messages and evidence: which token the thread route answered was not
# stored, so the first opening by each token asks Omni.
_ROWS = """
    UPDATE conversations_access SET
        name = told.name, last_prompt = told.last_prompt, updated_at = told.updated_at, recency = told.recency,
        owner_id = CASE WHEN held.scope = 'user' THEN held.membership_id ELSE told.owner_id END
    FROM conversations_conversation AS told, accounts_apitoken AS held
    WHERE told.id = conversations_access.conversation_id AND held.id = conversations_access.api_token_id
    AND conversations_access.listed_at IS NOT NULL
"""
# Asked for with any token, until now: with the one that was shown the conversation last.
_CAPTURES_WITH_ANY = """
    UPDATE conversations_capture SET api_token_id = (
        SELECT held.id FROM conversations_access AS shown
        JOIN accounts_credential AS holder ON holder.id = shown.credential_id
        JOIN accounts_apitoken AS held ON held.id = holder.api_token_id AND held.rejected_at IS NULL
        WHERE shown.conversation_id = conversations_capture.conversation_id AND shown.confirmed_at IS NOT NULL
        ORDER BY shown.confirmed_at DESC, shown.id LIMIT 1
    ) WHERE api_token_id IS NULL
"""
_UNWANTED_CAPTURES = "DELETE FROM conversations_capture WHERE api_token_id IS NULL"
_REFUSALS = """
    INSERT INTO conversations_jobaccess
        (api_token_id, conversation_id, job_id, at, job_refused_at, not_before)
    SELECT DISTINCT held.id, told.conversation_id, job.omni_id, job.asked_at, job.asked_at, job.asked_at
    FROM conversations_job AS job
    JOIN accounts_apitoken AS held ON held.digest = job.refused_to AND held.instance = job.instance
    JOIN conversations_message AS told ON told.job_id = job.omni_id
    JOIN conversations_conversation AS own ON own.id = told.conversation_id AND own.instance = job.instance
    WHERE job.refused_to <> ''
    ON CONFLICT DO NOTHING
"""


def take_over(_apps, schema_editor):
    for table in _TABLES:
        schema_editor.execute(_TAKE_OVER.format(table=table))
    # Before the best of several is chosen: it must not be one that says nothing of this token.
    for statement in (_OF_OTHER_TOKENS, _WALKS_OF_OTHER_TOKENS, _CAPTURES_WITH_ANY, _UNWANTED_CAPTURES):
        schema_editor.execute(statement)
    schema_editor.execute(_ONE_ACCESS_A_TOKEN)
    schema_editor.execute(_TAKE_OVER.format(table="conversations_access"))
    for table, (key, best) in _TABLES.items():
        schema_editor.execute(_ONE_OF_EACH.format(table=table, key=key, best=best))
    for statement in (_ROWS, _REFUSALS):
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0010_access_by_token"),
    ]

    operations = [
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
