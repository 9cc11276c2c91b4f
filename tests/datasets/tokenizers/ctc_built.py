"""How transformers reads the CTC vocabulary in $THAW_CTC_DIRECTORY: ctc_built.py OUTPUT"""
import json
import os
import sys

from transformers import AutoTokenizer

judge = AutoTokenizer.from_pretrained(os.environ["THAW_CTC_DIRECTORY"])
texts = json.loads(os.environ["THAW_CTC_TEXTS"])
ids = [judge(text).input_ids for text in texts]
json.dump({"class": type(judge).__name__, "size": len(judge), "vocabulary": judge.get_vocab(), "pad": judge.pad_token_id, "ids": ids,
           "texts": [judge.decode(row, group_tokens=False) for row in ids]}, open(sys.argv[1], "w"))
