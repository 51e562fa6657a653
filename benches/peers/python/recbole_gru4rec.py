"""RecBole's GRU4Rec on MovieLens-100K: quality and time of training.

    recbole_gru4rec.py --data DIR --seeds 1 2 3 --threads 2 --split split.tsv

`DIR` has RecBole's file `NAME.inter`, where `NAME` is the name of the folder, for example `ml-100k/ml-100k.inter`.
RecBole's package includes this file.

The protocol is RecBole's for sequential models. The last item of each user is the test target, and the one before it
is the validation target. Each shorter history is a training sequence, cut to its last 50 items. All items are ranked,
also those that the user has seen. Training stops when MRR@10 on the validation targets was below its best for eleven
epochs in a row, which is what RecBole does for `stopping_step` 10. The test uses the best epoch. All else has RecBole's
defaults.

RecBole orders by time in single precision, with time scaled to the range from 0 to 1. Equal values keep the order of
the file. `--split` writes the test target that results: a line `user<TAB>item` for each user.

It prints one JSON object for each seed and one with the means. `seconds` is the time of training with validation,
`train_seconds` the time without it.

It needs Python 3.11 and these packages. RecBole's other dependencies are not used here.

    pip install torch numpy scipy 'pandas<3' scikit-learn pyyaml tqdm
    pip install colorlog==4.7.2 colorama==0.4.4 texttable tensorboard
    pip install --no-deps recbole==1.2.1
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

# RecBole's checkpoint has its configuration, which is more than weights.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
warnings.filterwarnings("ignore")

import numpy as np

# RecBole 1.2.1 uses names that NumPy 2 has removed.
for name, kind in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
    if not hasattr(np, name):
        setattr(np, name, kind)

import pandas
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

MEASURES = ("recall", "mrr", "ndcg")
TOTALS = (*MEASURES, "valid_mrr", "epochs", "seconds", "train_seconds")
SETTINGS = {
    "use_gpu": False,
    "show_progress": False,
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "MAX_ITEM_LIST_LENGTH": 50,
    "loss_type": "CE",
    "train_neg_sample_args": None,
    "eval_args": {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full"},
    "metrics": ["Recall", "MRR", "NDCG"],
    "topk": [10],
    "valid_metric": "MRR@10",
    "stopping_step": 10,
}


class TimedTrainer(Trainer):
    """RecBole's trainer. It adds up the seconds of the epochs, without validation."""

    train_seconds = 0.0

    def _train_epoch(self, *args, **kwargs):
        begin = time.perf_counter()
        loss = super()._train_epoch(*args, **kwargs)
        self.train_seconds += time.perf_counter() - begin
        return loss


def configuration(folder, seed, epochs):
    settings = SETTINGS | {"seed": seed, "epochs": epochs}
    config = Config(model="GRU4Rec", dataset=folder.name, config_dict=settings)
    config["data_path"] = str(folder)
    return config


def write_split(path, data):
    """Writes the target of each user, sorted by the users' names."""
    dataset = data._dataset
    users, items = ([str(name) for name in dataset.id2token(field, dataset.inter_feat[field].numpy())]
                    for field in (dataset.uid_field, dataset.iid_field))
    path.write_text("".join(f"{user}\t{item}\n" for user, item in sorted(zip(users, items))))


def report(epoch, score):
    print(f"epoch {epoch}: MRR@10 {score:.4f} on validation", file=sys.stderr, flush=True)


def trained(folder, seed, epochs, split):
    """Trains with one seed, and returns what the test gives. The order of calls is that of `run_recbole`."""
    config = configuration(folder, seed, epochs)
    init_seed(seed, config["reproducibility"])
    train, valid, test = data_preparation(config, create_dataset(config))
    if split:
        write_split(split, test)
    init_seed(seed, config["reproducibility"])
    model = get_model(config["model"])(config, train._dataset).to(config["device"])
    trainer = TimedTrainer(config, model)
    begin = time.perf_counter()
    best, _ = trainer.fit(train, valid, verbose=False, callback_fn=report)
    seconds = time.perf_counter() - begin
    result = trainer.evaluate(test)
    found = {measure: float(result[f"{measure}@10"]) for measure in MEASURES}
    return found | {
        "valid_mrr": float(best),
        "epochs": len(trainer.train_loss_dict),
        "seconds": round(seconds, 2),
        "train_seconds": round(trainer.train_seconds, 2),
        "sizes": {"users": len(test._dataset), "items": test._dataset.item_num - 1, "sequences": len(train._dataset)},
    }


def versions():
    return {
        "recbole": recbole.__version__,
        "torch": torch.__version__.split("+")[0],
        "numpy": np.__version__,
        "pandas": pandas.__version__,
        "python": sys.version.split()[0],
    }


def parsed():
    parser = argparse.ArgumentParser(description="RecBole's GRU4Rec with the sequential protocol.")
    parser.add_argument("--data", type=Path, required=True, help="folder NAME with the file NAME.inter")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2020], help="default: RecBole's, 2020")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=300, help="most epochs; default: %(default)s")
    parser.add_argument("--split", type=Path, help="file for the test target of each user")
    args = parser.parse_args()
    args.data = args.data.resolve()
    args.split = args.split and args.split.resolve()
    if not (args.data / f"{args.data.name}.inter").is_file():
        parser.error(f"{args.data} has no file {args.data.name}.inter")
    return args


def main():
    args = parsed()
    sys.argv = sys.argv[:1]  # RecBole reads the command line too
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    who = {"who": "recbole " + recbole.__version__, "work": "gru4rec", "threads": args.threads}
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # RecBole writes checkpoints and logs here
        for seed in args.seeds:
            runs.append(trained(args.data, seed, args.epochs, args.split))
            print(json.dumps(who | {"seed": seed} | runs[-1] | {"versions": versions()}), flush=True)
        os.chdir(args.data)
    means = {name: round(statistics.fmean(run[name] for run in runs), 5) for name in TOTALS}
    print(json.dumps(who | {"seeds": args.seeds, "means": means}))


if __name__ == "__main__":
    main()
