BEGIN TRANSACTION;
CREATE TABLE call (
            job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            state TEXT NOT NULL,
            count INTEGER NOT NULL,
            first_variant INTEGER NOT NULL,
            arguments TEXT NOT NULL,
            handle TEXT,
            products TEXT,
            cost_usd REAL,
            error TEXT, trace TEXT,
            PRIMARY KEY (job_id, number)
        ) WITHOUT ROWID
        ;
INSERT INTO "call" VALUES('job_39a76a6430c3c5bd',0,'submitted',1,1,'{"prompt":"submitted"}','{"task":"t1","count":"1"}',NULL,NULL,NULL,NULL);
INSERT INTO "call" VALUES('job_59c08db1c4074d63',0,'made',2,1,'{"prompt":"made"}',NULL,'[{"url":"","file":"{base}/home/incoming/job_59c08db1c4074d63/result-1","seed":7},{"url":"https://vendor.example/t1/1","file":"","seed":null}]',0.2,NULL,NULL);
INSERT INTO "call" VALUES('job_6f36eeabae69f808',0,'submitting',1,1,'{"prompt":"answered"}',NULL,NULL,NULL,NULL,'{"input":"d1","since":"2026-11-25T00:00:00Z"}');
INSERT INTO "call" VALUES('job_77ff172a07630cd7',0,'planned',1,1,'{"prompt":"planned"}',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "call" VALUES('job_91bec2b13bc490e7',0,'kept',1,1,'{"prompt":"a red fox"}','{"task":"t1","count":"1"}','[{"url":"https://vendor.example/t1/0","file":"","seed":null}]',NULL,NULL,NULL);
CREATE TABLE job (
            id TEXT PRIMARY KEY,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            plan TEXT NOT NULL,
            expected INTEGER NOT NULL,
            reserved_usd REAL NOT NULL,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            notes TEXT NOT NULL,
            error TEXT,
            created REAL NOT NULL,
            finished REAL,
            owner TEXT NOT NULL,
            lease_until REAL NOT NULL,
            cancel_asked INTEGER NOT NULL,
            seen INTEGER NOT NULL
        ) WITHOUT ROWID
        ;
INSERT INTO "job" VALUES('job_39a76a6430c3c5bd','bytedance_seedream','generate','vendor','vendor/model-1','running','','submitted','{"brief":{"prompt":"submitted","said":{"prompt":"submitted"},"save_as":null,"parents":[],"count":1,"usd":0.1,"exact_size":null},"inputs":{"images":[],"mask":null},"route":"vendor/model-1","choice":[]}',1,0.1,0.1,'estimate','[]',NULL,1.79568042143442678452e+09,NULL,'14222-58df548b',0.0,0,0);
INSERT INTO "job" VALUES('job_59c08db1c4074d63','bytedance_seedream','generate','vendor','vendor/model-1','running','','made','{"brief":{"prompt":"made","said":{"prompt":"made"},"save_as":null,"parents":[],"count":2,"usd":0.2,"exact_size":null},"inputs":{"images":[],"mask":null},"route":"vendor/model-1","choice":[]}',2,0.2,0.2,'estimate','[]',NULL,1.79568042144896769518e+09,NULL,'14222-9ae610fb',0.0,0,0);
INSERT INTO "job" VALUES('job_6f36eeabae69f808','bytedance_seedream','generate','vendor','vendor/model-1','running','','answered','{"brief":{"prompt":"answered","said":{"prompt":"answered"},"save_as":null,"parents":[],"count":1,"usd":0.1,"exact_size":null},"inputs":{"images":[],"mask":null},"route":"vendor/model-1","choice":[]}',1,0.1,0.1,'estimate','[]',NULL,1.79568042141996574408e+09,NULL,'14222-9ca4afb2',0.0,0,0);
INSERT INTO "job" VALUES('job_77ff172a07630cd7','bytedance_seedream','generate','vendor','vendor/model-1','running','','planned','{"brief":{"prompt":"planned","said":{"prompt":"planned"},"save_as":null,"parents":[],"count":1,"usd":0.1,"exact_size":null},"inputs":{"images":[{"file":"{base}/home/incoming/job_77ff172a07630cd7/input-0","format":"png","width":8,"height":6},{"file":"{base}/home/incoming/job_77ff172a07630cd7/input-1","format":"png","width":8,"height":6}],"mask":null},"route":"vendor/model-1","choice":[]}',1,0.1,0.1,'estimate','[]',NULL,1.79568042141028451916e+09,NULL,'14222-5ffad1d0',0.0,0,0);
INSERT INTO "job" VALUES('job_91bec2b13bc490e7','bytedance_seedream','generate','vendor','vendor/model-1','completed','','a red fox','{"brief":{"prompt":"a red fox","said":{"prompt":"a red fox"},"save_as":null,"parents":[],"count":1,"usd":0.1,"exact_size":null},"inputs":{"images":[],"mask":null},"route":"vendor/model-1","choice":[]}',1,0.1,0.1,'estimate','[]',NULL,1.79568042129661488534e+09,1.7956804213921384811e+09,'',1.79568043129664278029e+09,0,0);
CREATE TABLE lineage (
            child TEXT NOT NULL REFERENCES picture (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            parent TEXT NOT NULL,
            PRIMARY KEY (child, position)
        ) WITHOUT ROWID
        ;
INSERT INTO "lineage" VALUES('img_e7s5zeno674oxcfi',0,'img_3splcbsfoufxbebp');
CREATE TABLE picture (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            path TEXT NOT NULL,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            prompt TEXT NOT NULL,
            words TEXT NOT NULL,
            arguments TEXT NOT NULL,
            seed TEXT,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            format TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL,
            job_id TEXT NOT NULL,
            variant INTEGER NOT NULL
        );
INSERT INTO "picture" VALUES(1,'img_kmnf63z2ixzxbtm5','{base}/home/pictures/20261126-080701_bytedance_seedream_a-red-fox_kmnf63.png','bytedance_seedream','generate','vendor','vendor/model-1','a red fox','a red fox','{"prompt":"a red fox"}',NULL,0.1,'estimate',64,48,'png',168,1795680421295834,'job_91bec2b13bc490e7',1);
INSERT INTO "picture" VALUES(2,'img_3splcbsfoufxbebp','{base}/mine/fox.png','some_tool','generate','vendor','m','a fox of the user''s own','a fox of the user''s own','{}',NULL,NULL,'unknown',64,48,'png',168,1795608000000000,'',1);
INSERT INTO "picture" VALUES(3,'img_e7s5zeno674oxcfi','{base}/home/pictures/deep/fox.png','some_tool','generate','vendor','m','deep','deep','{}',NULL,NULL,'unknown',64,48,'png',168,1795608000000000,'',1);
CREATE INDEX picture_by_time ON picture (created, number);
CREATE INDEX picture_by_tool ON picture (tool, created, number);
CREATE INDEX lineage_by_parent ON lineage (parent);
CREATE INDEX job_by_time ON job (created);
CREATE INDEX job_by_state ON job (state, lease_until);
CREATE INDEX job_by_fingerprint ON job (fingerprint);
CREATE INDEX job_by_key ON job (key) WHERE key != '';
CREATE INDEX picture_by_job ON picture (job_id, variant);
CREATE INDEX call_by_handle ON call (handle) WHERE handle IS NOT NULL;
COMMIT;
PRAGMA user_version = 3;
