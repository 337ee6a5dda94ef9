-- The schema of version 3, as released. Never edited: a test migrates it to the present one.
CREATE TABLE "channel" ("channel_id" BLOB NOT NULL PRIMARY KEY, "peer_id" BLOB NOT NULL, "closed" INTEGER NOT NULL, "snapshot" BLOB NOT NULL) STRICT;
CREATE TABLE "event" ("sequence" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "topic" TEXT NOT NULL, "unix_seconds" INTEGER NOT NULL, "value" BLOB NOT NULL) STRICT;
CREATE TABLE "header" ("id" INTEGER NOT NULL PRIMARY KEY, "schema_version" INTEGER NOT NULL, "network" TEXT NOT NULL, "owner_epoch" INTEGER NOT NULL, "node_id" BLOB, "account" TEXT, "chain" TEXT, "commit_count" INTEGER NOT NULL DEFAULT 0, "is_copy" INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE "inbox" ("sequence" INTEGER NOT NULL PRIMARY KEY, "recipient" BLOB NOT NULL, "key" TEXT NOT NULL, "value" BLOB NOT NULL) STRICT;
CREATE TABLE "invoice" ("sequence" INTEGER NOT NULL PRIMARY KEY, "payment_hash" BLOB NOT NULL, "state" TEXT NOT NULL, "created_unix_seconds" INTEGER NOT NULL, "value" BLOB NOT NULL) STRICT;
CREATE TABLE "key_value" ("namespace" TEXT NOT NULL, "key" BLOB NOT NULL, "value" BLOB NOT NULL, PRIMARY KEY ("namespace", "key")) STRICT, WITHOUT ROWID;
CREATE TABLE "outbox" ("sequence" INTEGER NOT NULL PRIMARY KEY, "key" TEXT NOT NULL, "channel_id" BLOB NOT NULL, "value" BLOB NOT NULL) STRICT;
CREATE TABLE "payment" ("sequence" INTEGER NOT NULL PRIMARY KEY, "payment_hash" BLOB NOT NULL, "state" TEXT NOT NULL, "created_unix_seconds" INTEGER NOT NULL, "value" BLOB NOT NULL) STRICT;
CREATE TABLE "record" ("channel_id" BLOB NOT NULL, "kind" TEXT NOT NULL, "key" BLOB NOT NULL, "value" BLOB NOT NULL, PRIMARY KEY ("channel_id", "kind", "key")) STRICT, WITHOUT ROWID;
CREATE TABLE "record_index" ("kind" TEXT NOT NULL, "lookup" BLOB NOT NULL, "channel_id" BLOB NOT NULL, "key" BLOB NOT NULL, PRIMARY KEY ("kind", "lookup")) STRICT, WITHOUT ROWID;
CREATE TABLE "signer_state" ("key" BLOB NOT NULL PRIMARY KEY, "value" BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "inbox_recipient_key" ON "inbox" ("recipient", "key");
CREATE UNIQUE INDEX "invoice_payment_hash" ON "invoice" ("payment_hash");
CREATE UNIQUE INDEX "outbox_key" ON "outbox" ("key");
CREATE UNIQUE INDEX "payment_payment_hash" ON "payment" ("payment_hash");
