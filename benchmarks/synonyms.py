"""Synonyms for BM25 on SciFact: what a small table gains, by the weight of an added term.

    python benchmarks/synonyms.py

The table was written by hand, from general knowledge of the field, before any result was seen:
names and short forms of genes and proteins, of diseases, and everyday words for terms of medicine.
Queries that none of it touches keep their lists; nDCG@10 is printed for the others and for all.
Needs the `bench` extra, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from corpus import judged
from hybridge.evaluation import Collection, evaluate
from hybridge.lexical import BM25Retriever, Synonyms
from hybridge.lexical.query_terms import QueryReader

MEASURE = "nDCG@10"
WEIGHTS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
GROUPS = [
    ["heart attack", "myocardial infarction", "MI"],
    ["stroke", "cerebrovascular accident"],
    ["high blood pressure", "hypertension"],
    ["cancer", "carcinoma", "neoplasm", "tumor", "tumour", "malignancy"],
    ["breast cancer", "mammary carcinoma"],
    ["kidney", "renal"],
    ["liver", "hepatic"],
    ["heart", "cardiac"],
    ["lung", "pulmonary"],
    ["brain", "cerebral"],
    ["stomach", "gastric"],
    ["skin", "cutaneous", "dermal"],
    ["blood vessel", "vascular"],
    ["nerve", "neural", "neuronal"],
    ["bone", "skeletal", "osseous"],
    ["obesity", "overweight", "adiposity"],
    ["diabetes", "diabetes mellitus", "T2D", "hyperglycemia"],
    ["blood sugar", "glucose", "glycemia"],
    ["tuberculosis", "TB", "Mycobacterium tuberculosis"],
    ["AIDS", "HIV", "human immunodeficiency virus"],
    ["flu", "influenza"],
    ["malaria", "Plasmodium falciparum"],
    ["ALS", "amyotrophic lateral sclerosis"],
    ["Alzheimer's disease", "AD", "dementia"],
    ["Parkinson's disease", "PD", "parkinsonism"],
    ["lupus", "SLE", "systemic lupus erythematosus"],
    ["COPD", "chronic obstructive pulmonary disease"],
    ["IBD", "inflammatory bowel disease", "Crohn's disease", "ulcerative colitis"],
    ["p53", "TP53", "tumor suppressor p53"],
    ["TNF", "tumor necrosis factor", "TNF-alpha"],
    ["IL-2", "interleukin-2", "interleukin 2"],
    ["IL-6", "interleukin-6", "interleukin 6"],
    ["IL-10", "interleukin-10", "interleukin 10"],
    ["IFN", "interferon"],
    ["VEGF", "vascular endothelial growth factor"],
    ["EGFR", "epidermal growth factor receptor"],
    ["HER2", "ERBB2"],
    ["PD-1", "programmed cell death 1", "PDCD1"],
    ["NF-kB", "nuclear factor kappa B"],
    ["TGF-beta", "transforming growth factor beta"],
    ["mTOR", "mammalian target of rapamycin"],
    ["AMPK", "AMP-activated protein kinase"],
    ["ROS", "reactive oxygen species"],
    ["ER stress", "endoplasmic reticulum stress"],
    ["miRNA", "microRNA", "miR"],
    ["lncRNA", "long noncoding RNA"],
    ["siRNA", "small interfering RNA", "RNA interference"],
    ["SNP", "single nucleotide polymorphism"],
    ["GWAS", "genome-wide association study"],
    ["CVD", "cardiovascular disease"],
    ["BMI", "body mass index"],
    ["LDL", "low-density lipoprotein"],
    ["HDL", "high-density lipoprotein"],
    ["NSAID", "nonsteroidal anti-inflammatory drug", "aspirin", "ibuprofen"],
    ["statin", "HMG-CoA reductase inhibitor", "simvastatin", "atorvastatin"],
    ["vitamin D", "cholecalciferol", "25-hydroxyvitamin D"],
    ["folate", "folic acid", "vitamin B9"],
    ["death", "mortality"],
    ["infant", "newborn", "neonate", "baby"],
    ["child", "pediatric", "childhood"],
    ["elderly", "older adults", "aged"],
    ["pregnancy", "gestation", "pregnant"],
    ["cell death", "apoptosis"],
    ["mouse", "murine", "mice"],
    ["drug", "medication", "pharmaceutical"],
    ["vaccination", "immunization", "vaccine"],
    ["mutation", "variant"],
    ["white blood cell", "leukocyte"],
    ["red blood cell", "erythrocyte"],
    ["platelet", "thrombocyte"],
    ["blood clot", "thrombosis", "thrombus"],
    ["bleeding", "hemorrhage", "haemorrhage"],
    ["fat cell", "adipocyte"],
    ["muscle cell", "myocyte"],
    ["doctor", "physician", "clinician"],
    ["smoking", "tobacco", "cigarette"],
]


def main() -> None:
    """Print one row a weight, for the train queries and the test queries."""
    table = Table("weight", box=None, title=f"{MEASURE} of BM25 with {len(GROUPS)} groups")
    rows: dict[str, list[str]] = {}
    for split in ("train", "test"):
        collection = judged(split)
        touched = _touched(collection)
        table.add_column(f"{split}: {len(touched)} touched", justify="right")
        table.add_column(f"all {len(collection.queries)}", justify="right")
        for weight, figures in _figures(collection, touched):
            rows.setdefault(weight, []).extend(figures)
    for weight, figures in rows.items():
        table.add_row(weight, *figures)
    Console(width=100).print(table)


def _touched(collection: Collection) -> dict[str, str]:
    """Return the queries to which the table adds a term."""
    retriever = BM25Retriever()
    read = QueryReader(retriever.analyzer, Synonyms(GROUPS))
    return {id_: query for id_, query in collection.queries.items() if read(query).added}


def _figures(collection: Collection, touched: dict[str, str]) -> list[tuple[str, list[str]]]:
    retriever = BM25Retriever(collection.passages, spelling=False)
    found = []
    for weight in (None, *WEIGHTS):
        retriever.set_synonyms(None if weight is None else Synonyms(GROUPS, weight=weight))
        figures = []
        for queries in (touched, collection.queries):
            qrels = {id_: collection.qrels[id_] for id_ in queries}
            result = evaluate({"it": retriever}, queries, qrels, [MEASURE], k=10, batch_size=64)
            figures.append(f"{result.mean('it', MEASURE):.4f}")
        found.append(("none" if weight is None else f"{weight}", figures))
    return found


if __name__ == "__main__":
    main()
