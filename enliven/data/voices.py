"""What synthetic voices say, in many languages: sentences of our own and made-up words.

Sentences give a language its rhythm; words drawn from its syllables give every sound beside
every other.  Nothing here is quoted from anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MADE_UP_SHARE = 0.4  # of phrases that consist of made-up words


@dataclass(frozen=True)
class Language:
    """accents: voices of espeak-ng.  sentences: without their full stop, one of `stops`.

    onsets, vowels, codas: spellings of which syllables are made, separated by spaces; "-" is
    none.  joint: between words.
    """

    accents: tuple[str, ...]
    sentences: tuple[str, ...]
    onsets: str
    vowels: str
    codas: str
    stops: str = ".?!"
    joint: str = " "


LANGUAGES: Mapping[str, Language] = {
    "en": Language(
        ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-us-nyc", "en-gb-x-rp"),
        ("My brother bought a purple boat", "Five very small fish swim above the bridge",
         "Would you show me where the shoes are", "She measures the hall with a yellow rope",
         "Both of them thought about the weather", "I am happy that you have come so early",
         "Please put the box behind the open door", "How now, the old cow walks out of town",
         "The judge chose a large orange jacket", "We usually have soup on a rainy evening",
         "Maybe somebody moved my umbrella", "That was a wonderful piece of music",
         "You should try the bread, it is warm", "Few people know what waits over there"),
        "b bl br ch d dr f fl fr g gl h j k l m n p pl pr qu r s sh sl sp st t th tr v w wh y "
        "z",
        "a e i o u ee oo ai ow oy ar or er oa ea igh",
        "- b d f g k l m n p r s sh t th v x z nd mp"),
    "de": Language(
        ("de",),
        ("Meine Mutter möchte fünf Bücher mitbringen",
         "Übermorgen schreiben wir einen schönen Brief", "Wo hast du die grüne Tasche hingelegt",
         "Ein Vogel fliegt hoch über die weißen Häuser", "Ich wünsche dir einen guten Morgen",
         "Heute Abend kochen wir Gemüse und Pfannkuchen", "Der Bäcker öffnet um sechs Uhr früh",
         "Warum ist das Wasser im Fluss so kalt", "Zwölf Zwerge zählen zwanzig Züge",
         "Papa baut ein Boot aus Pappe", "Das war ein besonders lustiger Film",
         "Mach bitte das Fenster auf"),
        "b bl br d dr f fl g gr h j k kl l m n p pf pr r s sch schw sp st t tr v w z",
        "a e i o u ä ö ü ei au eu ie ah oh uh",
        "- b ch f g k l m n p r s sch t tz ng nd lf"),
    "fr": Language(
        ("fr", "fr-be", "fr-ch"),
        ("Ma petite sœur mange un peu de pain", "Bonjour, vous venez avec nous au marché",
         "Le vieux moulin tourne sous la pluie", "Où avez-vous mis le bouquet de fleurs",
         "Un bon vin blanc, voilà une idée", "La rue est vide depuis huit heures",
         "Je voudrais deux billets pour jeudi", "Le chat joue avec une boule bleue",
         "Nous avons bu beaucoup de café", "Il faut fermer la fenêtre du bureau",
         "Personne ne sait pourquoi il part", "Quelle belle journée pour marcher"),
        "b bl br ch d f fr g gr j l m n p pl pr qu r s t tr v",
        "a é è i o ou u eu on an in oi ui eau",
        "- - - r l s t che ge que me ve"),
    "es": Language(
        ("es", "es-419"),
        ("Mi abuela prepara una sopa muy buena", "El perro corre por el campo verde",
         "Dónde está la llave de la puerta", "Mañana vamos a visitar a Pablo",
         "Quiero un vaso de agua fría, por favor", "La luna brilla sobre el pueblo",
         "Nunca vi un barco tan bonito", "Los jóvenes bailan en la plaza",
         "Qué hora es en tu ciudad", "Compramos pan, queso y uvas",
         "El viento mueve las hojas secas", "Me gusta mucho esta música"),
        "b br c ch d f fl g gr j l ll m n p pl pr qu r rr s t tr v z",
        "a e i o u ia ie io ua ue",
        "- - - n s r l d z"),
    "it": Language(
        ("it",),
        ("La mamma compra un buon pomodoro", "Domani piove, prendi un ombrello",
         "Dove hai messo le scarpe nuove", "Il vecchio pescatore guarda il mare",
         "Vorrei un bicchiere di vino bianco", "Gli amici giocano sotto il portico",
         "Che bella giornata di primavera", "Nove uova fresche sul tavolo",
         "Il treno parte alle sette e mezza", "Ogni sabato facciamo una pizza",
         "Non so perché sia così felice", "Prova a chiudere piano la porta"),
        "b br c ch d f fr g gh gl gn l m n p pr qu r s sc sp st t tr v z bb mm pp",
        "a e i o u ia io ua uo ie",
        "- - - - n l r"),
    "pt": Language(
        ("pt", "pt-br"),
        ("Minha mãe gosta muito de pão quente", "O barco azul voltou ontem à noite",
         "Você sabe onde fica o museu", "Amanhã não vamos trabalhar",
         "Um bom vinho para o jantar", "As crianças brincam junto do rio",
         "Choveu bastante no fim de junho", "Quem abriu a janela do quarto",
         "Meu pai comprou um chapéu novo", "Hoje faz um belo dia de verão"),
        "b br c ch d f g gu j l lh m n nh p pr qu r s t tr v x z",
        "a e i o u ão ei ou ai em ui õe",
        "- - - s r l m"),
    "nl": Language(
        ("nl",),
        ("Mijn buurman koopt een bruine fiets", "Wij gaan morgen vroeg naar het bos",
         "Waar heb je de sleutel gelegd", "Het is vandaag bijzonder mooi weer",
         "Zou je het raam open willen doen", "De schoenen staan achter de deur",
         "Vijf vogels vliegen over het huis", "Een goed boek maakt mij blij",
         "Hij woont boven een bakkerij", "Morgen eten we soep met brood"),
        "b bl d dr f g gr h j k kl l m n p pl r s sch sp t v w z",
        "a e i o u aa ee oo uu ui eu oe ij ou",
        "- f g k l m n p r s t cht nd"),
    "sv": Language(
        ("sv",),
        ("Min mormor bakar ett mjukt bröd", "Vi går hem över den lilla bron",
         "Var ligger det gula huset", "Sju sjuka sjömän sköttes på skeppet",
         "I morgon blir det sol och värme", "Kan du öppna fönstret, tack",
         "Pojken byggde en båt av papper", "Det var en mycket fin konsert"),
        "b bl d f fl g h j k l m n p r s sj sk st t tj v",
        "a e i o u y å ä ö",
        "- - b d f g k l m n p r s t ng"),
    "pl": Language(
        ("pl",),
        ("Moja babcia piecze pyszny chleb", "W piątek pojedziemy nad jezioro",
         "Gdzie położyłeś czerwony szalik", "Dziewczyna maluje obraz przy oknie",
         "Proszę podać mi szklankę wody", "Stary młyn stoi za mostem",
         "Czy jutro będzie padał śnieg", "Żółty ptak usiadł na płocie",
         "Bardzo lubię twoją muzykę", "Wczoraj widziałem piękny film"),
        "b br c ch cz d dz f g j k kr l ł m n p prz r rz s sz ś t trz w z ż",
        "a e i o u y ą ę ia ie ó",
        "- - b ch k l ł m n r sz ść t w"),
    "cs": Language(
        ("cs",),
        ("Moje sestra koupila modré boty", "Zítra půjdeme brzy do města",
         "Kde je tvůj nový deštník", "Babička vaří výbornou polévku",
         "Prosím, zavři dveře od pokoje", "Pes běží přes zelenou louku",
         "Bude v pátek pršet nebo ne", "Ten film byl opravdu veselý"),
        "b br c č d ď f h ch j k kr l m n ň p př r ř s š t ť v z ž",
        "a e i o u y á é í ů ou ě",
        "- - - b d k l m n r s t"),
    "ru": Language(
        ("ru",),
        ("Моя бабушка варит вкусный борщ", "Завтра мы поедем к морю",
         "Где лежит твоя новая шапка", "Большая птица летит над домом",
         "Пожалуйста, открой окно", "Вечером будет хороший фильм", "Почему вода такая холодная",
         "Мальчик рисует жёлтую лодку", "У меня есть пять братьев", "Этот хлеб очень мягкий"),
        "б в г д ж з к л м н п р с т ф х ц ч ш бр пл вз",
        "а е и о у ы э ю я ё",
        "- - - б в к л м н п р с т ф ш"),
    "uk": Language(
        ("uk",),
        ("Моя бабуся пече смачний хліб", "Завтра ми поїдемо до моря",
         "Де лежить твоя нова шапка", "Будь ласка, відчини вікно",
         "Великий птах летить над полем", "Цей фільм був дуже веселий",
         "Хлопець малює жовтий човен", "Увечері буде дощ"),
        "б в г д ж з к л м н п р с т ф х ц ч ш",
        "а е и і о у ю я є ї",
        "- - - в к л м н р с т"),
    "el": Language(
        ("el",),
        ("Η γιαγιά μου φτιάχνει ωραίο ψωμί", "Αύριο θα πάμε στη θάλασσα",
         "Πού είναι το καινούριο σου παλτό", "Το παιδί παίζει με μια μπάλα",
         "Παρακαλώ, άνοιξε το παράθυρο", "Ο ουρανός είναι γαλάζιος σήμερα",
         "Θέλω λίγο νερό και φρούτα", "Αυτό το τραγούδι μου αρέσει"),
        "β γ δ ζ θ κ λ μ ν ξ π ρ σ τ φ χ ψ μπ ντ στ",
        "α ε η ι ο υ ω ου αι ει",
        "- - - - ς ν"),
    "tr": Language(
        ("tr",),
        ("Annem bugün güzel bir börek yaptı", "Yarın sabah köye gideceğiz",
         "Mavi şapkan nerede, biliyor musun", "Küçük kuş evin üstünde uçuyor",
         "Lütfen pencereyi açar mısın", "Bu müzik beni çok mutlu ediyor",
         "Babam beş kilo üzüm aldı", "Akşam yağmur yağacak mı", "Çocuklar bahçede oynuyor",
         "Bir bardak su içmek istiyorum"),
        "b c ç d f g h j k l m n p r s ş t v y z",
        "a e ı i o ö u ü",
        "- - k l m n p r s ş t z"),
    "hu": Language(
        ("hu",),
        ("A nagymamám finom levest főz", "Holnap korán megyünk a városba",
         "Hol van az új piros kabátod", "A fiú egy hajót épít papírból",
         "Kérlek, nyisd ki az ablakot", "Szép idő lesz a hétvégén", "Öt madár ül a háztetőn",
         "Ez a zene nagyon vidám"),
        "b c cs d f g gy h j k l m n ny p r s sz t ty v z zs",
        "a á e é i o ó ö ő u ú ü ű",
        "- - b d k l m n r s sz t"),
    "fi": Language(
        ("fi",),
        ("Mummo leipoo meille pullaa", "Huomenna menemme yhdessä mökille",
         "Missä sinun uusi hattusi on", "Pieni lintu istuu puun oksalla",
         "Avaisitko ikkunan, ole hyvä", "Poika rakentaa venettä paperista",
         "Yöllä satoi paljon lunta", "Tämä laulu on hyvin kaunis"),
        "h j k l m n p r s t v",
        "a e i o u y ä ö aa ii uu ää yö uo ai",
        "- - - n s l t"),
    "ro": Language(
        ("ro",),
        ("Bunica mea face o pâine bună", "Mâine plecăm devreme la munte",
         "Unde ai pus umbrela albastră", "Băiatul își face o barcă de hârtie",
         "Te rog, deschide fereastra", "O pasăre zboară peste câmp",
         "Ce film frumos am văzut ieri", "Vreau un pahar cu apă rece"),
        "b br c ch d f g j l m n p pr r s ș t ț v z",
        "a e i o u ă â ea oa ia",
        "- - - l m n r s t"),
    "ar": Language(
        ("ar",),
        ("أمي تطبخ حساء لذيذا", "سوف نذهب غدا إلى البحر", "أين وضعت الكتاب الجديد",
         "الولد يلعب مع أخيه في الحديقة", "من فضلك افتح باب البيت", "هذا الفيلم جميل جدا",
         "أريد كوبا من الماء البارد", "متى يصل القطار من المدينة"),
        "ب ت ث ج ح خ د ر ز س ش ص ط ع غ ف ق ك ل م ن ه و ي",
        "َا ِي ُو َ ِ ُ",
        "- - ب ت د ر س ف ل م ن"),
    "fa": Language(
        ("fa",),
        ("مادرم غذای خوبی می پزد", "فردا به شهر می رویم", "کتاب تازه من کجاست",
         "پسر با توپ بازی می کند", "لطفا پنجره را باز کن", "این آواز بسیار زیباست"),
        "ب پ ت ج چ خ د ر ز ژ س ش ف ق ک گ ل م ن",
        "ا ی و َ ِ ُ",
        "- - ب د ر س ش م ن"),
    "hi": Language(
        ("hi",),
        ("मेरी माँ बहुत अच्छा खाना बनाती है", "हम कल सुबह बाज़ार जाएँगे",
         "तुम्हारी नई किताब कहाँ है", "छोटी चिड़िया पेड़ पर बैठी है", "कृपया खिड़की खोल दीजिए",
         "आज मौसम बहुत सुंदर है", "मुझे एक गिलास पानी चाहिए", "पापा ने पाँच फल खरीदे"),
        "क ख ग घ च छ ज ट ड त थ द ध न प फ ब भ म य र ल व श स ह",
        "ा ि ी ु ू े ै ो ौ",
        "- - - न म र ल त", "।?!"),
    "sw": Language(
        ("sw",),
        ("Mama anapika chakula kizuri", "Kesho tutakwenda mjini mapema",
         "Kitabu chako kipya kiko wapi", "Ndege mdogo ameketi juu ya mti",
         "Tafadhali fungua dirisha", "Watoto wanacheza mpira uwanjani", "Ninataka maji baridi",
         "Wimbo huu unanifurahisha sana"),
        "b ch d dh f g gh h j k l m mb mw n nd ng ny p s sh t th v w y z",
        "a e i o u",
        "-"),
    "id": Language(
        ("id",),
        ("Ibu memasak sup yang enak", "Besok pagi kami pergi ke pasar",
         "Di mana bukumu yang baru", "Burung kecil hinggap di pohon", "Tolong buka jendela itu",
         "Anak itu membuat perahu kertas", "Saya mau minum air dingin", "Lagu ini sangat bagus"),
        "b c d g h j k l m n ng ny p r s t w y",
        "a e i o u ai au",
        "- - k m n ng p r s t"),
    "vi": Language(
        ("vi", "vi-vn-x-south"),
        ("Mẹ tôi nấu một bữa cơm ngon", "Ngày mai chúng tôi đi chợ sớm",
         "Quyển sách mới của bạn ở đâu", "Con chim nhỏ đậu trên cây",
         "Xin bạn mở cửa sổ giúp tôi", "Bố mua năm quả bưởi", "Tôi muốn uống nước lạnh",
         "Bài hát này rất vui"),
        "b c ch d đ g h kh l m n ng nh ph qu r s t th tr v x",
        "a ă â e ê i o ô ơ u ư ai ao oi ươ uô",
        "- - c m n ng nh p t"),
    "ja": Language(
        ("ja",),
        ("おかあさんはスープをつくります", "あしたのあさ、うみへいきます",
         "あたらしいほんはどこですか", "ちいさなとりがきにとまっています",
         "まどをあけてください", "ぼくはかみでふねをつくった", "つめたいみずをください",
         "このうたはとてもたのしい"),
        "か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む "
        "め も や ゆ よ ら り る れ ろ わ が ぎ ぐ げ ご ざ じ ず ぜ ぞ だ で ど ば び ぶ べ "
        "ぼ ぱ ぴ ぷ ぺ ぽ きゃ しゅ ちょ りょ",
        "- - - あ い う え お",
        "- - - ん", "。"),
    "ko": Language(
        ("ko",),
        ("엄마가 맛있는 국을 끓여요", "내일 아침 우리는 바다에 가요",
         "새로 산 책은 어디에 있어요", "작은 새가 나무 위에 앉아 있어요",
         "창문을 좀 열어 주세요", "아빠가 포도와 배를 샀어요", "시원한 물 한 잔 주세요",
         "이 노래는 참 재미있어요"),
        "가 나 다 라 마 바 사 자 차 카 타 파 하 고 노 도 로 모 보 소 조 코 포 구 누 두 무 부 "
        "수 주 추 푸 기 니 디 미 비 시 지 피 거 너 더 머 버 서 저 게 네 데 메 베 세 봄 밤 곰 "
        "집 산 강 물 쁘 빠 뽀",
        "-",
        "-"),
    "cmn": Language(
        ("cmn",),
        ("妈妈做了一碗好喝的汤", "明天早上我们去海边", "你的新书在哪里", "小鸟坐在树上唱歌",
         "请你把窗户打开", "爸爸买了五个苹果", "我想喝一杯冷水", "这首歌非常好听",
         "朋友们都在外面跑步", "昨天晚上下了大雨", "为什么他不回家", "白色的马跑得很快"),
        "妈 不 飞 大 他 你 来 高 口 好 家 七 小 中 吃 是 人 子 草 三 波 佛 多 火 我 国 鱼 女 "
        "月 学 云 远 风 门 朋 冰 明 东 红 用 熊 走 有 头 路 布 母 父 书 水 归 王 双 光 百 北 "
        "美 跑 表 片 面 品",
        "-",
        "-", "。？！", ""),
    "yue": Language(
        ("yue",),
        ("媽媽煮咗一碗好飲嘅湯", "聽日朝早我哋去海邊", "你本新書喺邊度", "細雀坐喺樹上面",
         "唔該你開窗", "爸爸買咗五個蘋果", "我想飲一杯凍水", "呢首歌好好聽"),
        "媽 唔 飛 大 佢 你 嚟 高 口 好 家 七 小 中 食 係 人 仔 草 三 波 多 火 我 國 魚 女 月 "
        "學 雲 風 門 冰",
        "-",
        "-", "。", ""),
}  # fmt: skip


def sentence(language: Language, rng: np.random.Generator) -> str:
    """A sentence or some made-up words, with its punctuation."""
    stop = language.stops[rng.choice(len(language.stops), p=_shares(len(language.stops)))]
    if rng.random() >= MADE_UP_SHARE:
        return str(rng.choice(language.sentences)) + stop
    words = [made_up(language, rng) for _ in range(rng.integers(3, 9))]
    return language.joint.join(words) + stop


def _shares(count: int) -> list[float]:
    """Mostly the first."""
    return [1.0] if count == 1 else [0.7] + [0.3 / (count - 1)] * (count - 1)


def made_up(language: Language, rng: np.random.Generator) -> str:
    """One word of one to three syllables of the language."""
    parts = (language.onsets.split(), language.vowels.split(), language.codas.split())
    syllables = rng.integers(1, 4)
    drawn = [str(rng.choice(part)) for _ in range(syllables) for part in parts]
    return "".join(part for part in drawn if part != "-")
