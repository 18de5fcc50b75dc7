#include "mock/names.h"

#include <stdlib.h>

#include "common/log.h"

/* A name in its own script, and in the letters of a username. */
struct name {
	const char *text;
	const char *latin;
};

enum order { GIVEN_FIRST, FAMILY_FIRST, FAMILY_JOINED };

#define NAMES_MAX 20

/* The Latin form of a family name occurs in one culture only, so that usernames are unique. */
static const struct culture {
	enum language language;
	enum order order;
	unsigned share; /* of all people, relative to the others */
	struct name given[NAMES_MAX];
	struct name family[NAMES_MAX];
} cultures[] = {
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 20,
		{ { "Alice", "alice" }, { "Amelia", "amelia" }, { "Ben", "ben" },
			{ "Charlotte", "charlotte" }, { "Daniel", "daniel" }, { "Ella", "ella" },
			{ "George", "george" }, { "Grace", "grace" }, { "Harriet", "harriet" },
			{ "Isla", "isla" }, { "Jack", "jack" }, { "Leo", "leo" },
			{ "Maya", "maya" }, { "Noah", "noah" }, { "Oliver", "oliver" },
			{ "Ruby", "ruby" }, { "Sam", "sam" }, { "Sophie", "sophie" },
			{ "Thomas", "thomas" }, { "Zoe", "zoe" } },
		{ { "Adams", "adams" }, { "Baker", "baker" }, { "Clarke", "clarke" },
			{ "Davies", "davies" }, { "Ellis", "ellis" }, { "Fletcher", "fletcher" },
			{ "Green", "green" }, { "Hughes", "hughes" }, { "Jenkins", "jenkins" },
			{ "Kelly", "kelly" }, { "Lloyd", "lloyd" }, { "Marsh", "marsh" },
			{ "O'Brien", "obrien" }, { "Palmer", "palmer" }, { "Reid", "reid" },
			{ "Shaw", "shaw" }, { "Turner", "turner" }, { "Walsh", "walsh" },
			{ "Wood", "wood" }, { "Young", "young" } } },
	{ LANGUAGE_GERMAN, GIVEN_FIRST, 9,
		{ { "Anke", "anke" }, { "Björn", "bjoern" }, { "Clara", "clara" },
			{ "Dieter", "dieter" }, { "Emil", "emil" }, { "Frieda", "frieda" },
			{ "Greta", "greta" }, { "Jörg", "joerg" }, { "Käthe", "kaethe" },
			{ "Lukas", "lukas" }, { "Mathilda", "mathilda" }, { "Nele", "nele" },
			{ "Paul", "paul" }, { "Sören", "soeren" }, { "Ute", "ute" },
			{ "Wiebke", "wiebke" } },
		{ { "Becker", "becker" }, { "Böhm", "boehm" }, { "Fischer", "fischer" },
			{ "Groß", "gross" }, { "Hoffmann", "hoffmann" }, { "Jäger", "jaeger" },
			{ "Krüger", "krueger" }, { "Lehmann", "lehmann" }, { "Möller", "moeller" },
			{ "Neumann", "neumann" }, { "Richter", "richter" },
			{ "Schäfer", "schaefer" }, { "Vogel", "vogel" }, { "Weiß", "weiss" },
			{ "Ziegler", "ziegler" } } },
	{ LANGUAGE_FRENCH, GIVEN_FIRST, 7,
		{ { "Agnès", "agnes" }, { "Amélie", "amelie" }, { "Benoît", "benoit" },
			{ "Camille", "camille" }, { "Étienne", "etienne" },
			{ "François", "francois" }, { "Hélène", "helene" }, { "Inès", "ines" },
			{ "Jérôme", "jerome" }, { "Léa", "lea" }, { "Mathis", "mathis" },
			{ "Noémie", "noemie" }, { "Rémi", "remi" }, { "Zélie", "zelie" } },
		{ { "Arnaud", "arnaud" }, { "Bélanger", "belanger" }, { "Caron", "caron" },
			{ "Delacroix", "delacroix" }, { "Fontaine", "fontaine" },
			{ "Girard", "girard" }, { "Lefèvre", "lefevre" },
			{ "Marchand", "marchand" }, { "Noël", "noel" }, { "Perrin", "perrin" },
			{ "Rousseau", "rousseau" }, { "Vasseur", "vasseur" } } },
	{ LANGUAGE_SPANISH, GIVEN_FIRST, 10,
		{ { "Adrián", "adrian" }, { "Begoña", "begona" }, { "Carmen", "carmen" },
			{ "Diego", "diego" }, { "Elena", "elena" }, { "Íñigo", "inigo" },
			{ "Javier", "javier" }, { "Lucía", "lucia" }, { "Mateo", "mateo" },
			{ "Nuria", "nuria" }, { "Pilar", "pilar" }, { "Raúl", "raul" },
			{ "Sofía", "sofia" }, { "Tomás", "tomas" } },
		{ { "Aguirre", "aguirre" }, { "Castaño", "castano" }, { "Domínguez", "dominguez" },
			{ "Fernández", "fernandez" }, { "García", "garcia" },
			{ "Hernández", "hernandez" }, { "Ibáñez", "ibanez" }, { "López", "lopez" },
			{ "Muñoz", "munoz" }, { "Navarro", "navarro" }, { "Ortega", "ortega" },
			{ "Peña", "pena" }, { "Quispe", "quispe" }, { "Ruiz", "ruiz" } } },
	{ LANGUAGE_PORTUGUESE, GIVEN_FIRST, 6,
		{ { "Afonso", "afonso" }, { "Beatriz", "beatriz" }, { "Caio", "caio" },
			{ "Conceição", "conceicao" }, { "Davi", "davi" }, { "Flávia", "flavia" },
			{ "Inês", "ines" }, { "João", "joao" }, { "Luísa", "luisa" },
			{ "Tiago", "tiago" }, { "Vitória", "vitoria" } },
		{ { "Almeida", "almeida" }, { "Araújo", "araujo" }, { "Carvalho", "carvalho" },
			{ "Esteves", "esteves" }, { "Gonçalves", "goncalves" },
			{ "Magalhães", "magalhaes" }, { "Nogueira", "nogueira" },
			{ "Pereira", "pereira" }, { "Simões", "simoes" },
			{ "Teixeira", "teixeira" } } },
	{ LANGUAGE_RUSSIAN, GIVEN_FIRST, 7,
		{ { "Алексей", "alexey" }, { "Анна", "anna" }, { "Борис", "boris" },
			{ "Вера", "vera" }, { "Дмитрий", "dmitry" }, { "Екатерина", "ekaterina" },
			{ "Иван", "ivan" }, { "Людмила", "lyudmila" }, { "Максим", "maxim" },
			{ "Надежда", "nadezhda" }, { "Ольга", "olga" }, { "Пётр", "pyotr" },
			{ "Светлана", "svetlana" }, { "Юрий", "yury" } },
		{ { "Белых", "belykh" }, { "Бондаренко", "bondarenko" }, { "Гончар", "gonchar" },
			{ "Дубровских", "dubrovskikh" }, { "Коваленко", "kovalenko" },
			{ "Кравченко", "kravchenko" }, { "Мельник", "melnik" },
			{ "Седых", "sedykh" }, { "Ткач", "tkach" }, { "Шевченко", "shevchenko" },
			{ "Черных", "chernykh" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 3,
		{ { "Αλέξανδρος", "alexandros" }, { "Ελένη", "eleni" }, { "Γιώργος", "giorgos" },
			{ "Δήμητρα", "dimitra" }, { "Κώστας", "kostas" }, { "Μαρία", "maria" },
			{ "Νίκος", "nikos" }, { "Σοφία", "sofia" } },
		{ { "Αντωνίου", "antoniou" }, { "Γεωργίου", "georgiou" }, { "Ιωάννου", "ioannou" },
			{ "Νικολάου", "nikolaou" }, { "Παπαδάκη", "papadaki" },
			{ "Χρήστου", "christou" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 5,
		{ { "Agnieszka", "agnieszka" }, { "Łukasz", "lukasz" },
			{ "Małgorzata", "malgorzata" }, { "Paweł", "pawel" },
			{ "Stanisław", "stanislaw" }, { "Zuzanna", "zuzanna" },
			{ "Wojciech", "wojciech" }, { "Jadwiga", "jadwiga" } },
		{ { "Dąbek", "dabek" }, { "Gołąb", "golab" }, { "Kaźmierczak", "kazmierczak" },
			{ "Mróz", "mroz" }, { "Nowak", "nowak" }, { "Pająk", "pajak" },
			{ "Wójcik", "wojcik" }, { "Żak", "zak" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 4,
		{ { "Ayşe", "ayse" }, { "Çağla", "cagla" }, { "Emre", "emre" },
			{ "Gülsüm", "gulsum" }, { "İbrahim", "ibrahim" }, { "Oğuz", "oguz" },
			{ "Şebnem", "sebnem" }, { "Yiğit", "yigit" } },
		{ { "Aydın", "aydin" }, { "Çelik", "celik" }, { "Demirtaş", "demirtas" },
			{ "Güneş", "gunes" }, { "Kılıç", "kilic" }, { "Öztürk", "ozturk" },
			{ "Şahin", "sahin" }, { "Yıldız", "yildiz" } } },
	{ LANGUAGE_ARABIC, GIVEN_FIRST, 7,
		{ { "أحمد", "ahmad" }, { "أمينة", "amina" }, { "خالد", "khalid" },
			{ "دينا", "dina" }, { "سارة", "sara" }, { "طارق", "tariq" },
			{ "عمر", "omar" }, { "فاطمة", "fatima" }, { "ليلى", "layla" },
			{ "مريم", "maryam" }, { "نور", "nour" }, { "يوسف", "yusuf" } },
		{ { "التميمي", "altamimi" }, { "الحداد", "alhaddad" }, { "الخطيب", "alkhatib" },
			{ "السيد", "alsayed" }, { "الشامي", "alshami" }, { "المصري", "almasri" },
			{ "النجار", "alnajjar" }, { "بن علي", "benali" }, { "حداد", "haddad" },
			{ "منصور", "mansour" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 2,
		{ { "אביגיל", "avigail" }, { "דוד", "david" }, { "יעל", "yael" },
			{ "נועם", "noam" }, { "תמר", "tamar" }, { "איתן", "eitan" } },
		{ { "אברהמי", "avrahami" }, { "ברק", "barak" }, { "כהן", "cohen" },
			{ "לוי", "levi" }, { "פרץ", "peretz" }, { "שלום", "shalom" } } },
	{ LANGUAGE_HINDI, GIVEN_FIRST, 8,
		{ { "अदिति", "aditi" }, { "अनिल", "anil" }, { "अर्जुन", "arjun" },
			{ "दीपिका", "deepika" }, { "किरण", "kiran" }, { "मीरा", "meera" },
			{ "नेहा", "neha" }, { "प्रिया", "priya" }, { "राहुल", "rahul" },
			{ "रोहन", "rohan" }, { "सुनीता", "sunita" }, { "विकास", "vikas" } },
		{ { "अग्रवाल", "agarwal" }, { "चौधरी", "chaudhary" }, { "गुप्ता", "gupta" },
			{ "जोशी", "joshi" }, { "कपूर", "kapoor" }, { "मेहता", "mehta" },
			{ "मिश्रा", "mishra" }, { "शर्मा", "sharma" }, { "सिंह", "singh" },
			{ "वर्मा", "verma" } } },
	{ LANGUAGE_CHINESE, FAMILY_JOINED, 10,
		{ { "安琪", "anqi" }, { "博文", "bowen" }, { "晨曦", "chenxi" },
			{ "国强", "guoqiang" }, { "海燕", "haiyan" }, { "佳怡", "jiayi" },
			{ "丽华", "lihua" }, { "明", "ming" }, { "诗雨", "shiyu" }, { "伟", "wei" },
			{ "小红", "xiaohong" }, { "欣然", "xinran" }, { "志远", "zhiyuan" },
			{ "子涵", "zihan" } },
		{ { "陈", "chen" }, { "邓", "deng" }, { "高", "gao" }, { "黄", "huang" },
			{ "李", "li" }, { "林", "lin" }, { "刘", "liu" }, { "马", "ma" },
			{ "孙", "sun" }, { "王", "wang" }, { "吴", "wu" }, { "杨", "yang" },
			{ "张", "zhang" }, { "赵", "zhao" }, { "周", "zhou" } } },
	{ LANGUAGE_JAPANESE, FAMILY_FIRST, 6,
		{ { "葵", "aoi" }, { "大輔", "daisuke" }, { "花子", "hanako" }, { "陽菜", "hina" },
			{ "健太", "kenta" }, { "美咲", "misaki" }, { "直樹", "naoki" },
			{ "蓮", "ren" }, { "さくら", "sakura" }, { "翔", "sho" },
			{ "由美子", "yumiko" }, { "優斗", "yuto" } },
		{ { "藤田", "fujita" }, { "林田", "hayashida" }, { "井上", "inoue" },
			{ "伊藤", "ito" }, { "木村", "kimura" }, { "小林", "kobayashi" },
			{ "松本", "matsumoto" }, { "中村", "nakamura" }, { "佐藤", "sato" },
			{ "鈴木", "suzuki" }, { "高橋", "takahashi" }, { "山田", "yamada" } } },
	{ LANGUAGE_ENGLISH, FAMILY_JOINED, 5,
		{ { "민준", "minjun" }, { "서연", "seoyeon" }, { "지우", "jiwoo" },
			{ "하은", "haeun" }, { "도윤", "doyun" }, { "수아", "sua" },
			{ "예준", "yejun" }, { "은지", "eunji" } },
		{ { "강", "kang" }, { "김", "kim" }, { "박", "park" }, { "송", "song" },
			{ "윤", "yoon" }, { "이", "lee" }, { "정", "jeong" }, { "최", "choi" } } },
	{ LANGUAGE_ENGLISH, FAMILY_FIRST, 4,
		{ { "Anh Thư", "anhthu" }, { "Bảo Ngọc", "baongoc" }, { "Đức Minh", "ducminh" },
			{ "Hải Đăng", "haidang" }, { "Khánh Linh", "khanhlinh" },
			{ "Quỳnh Như", "quynhnhu" }, { "Thị Hồng", "thihong" } },
		{ { "Bùi", "bui" }, { "Đặng", "dang" }, { "Hồ", "ho" }, { "Lê", "le" },
			{ "Nguyễn", "nguyen" }, { "Phạm", "pham" }, { "Trần", "tran" },
			{ "Vũ", "vu" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 6,
		{ { "Adébáyọ̀", "adebayo" }, { "Chidi", "chidi" }, { "Folúkẹ́", "foluke" },
			{ "Kwame", "kwame" }, { "Ngozi", "ngozi" }, { "Nomvula", "nomvula" },
			{ "Sipho", "sipho" }, { "Thandiwe", "thandiwe" }, { "Wanjiru", "wanjiru" },
			{ "Zawadi", "zawadi" } },
		{ { "Adéyẹmí", "adeyemi" }, { "Boateng", "boateng" }, { "Dlamini", "dlamini" },
			{ "Eze", "eze" }, { "Kamau", "kamau" }, { "Mensah", "mensah" },
			{ "Nkosi", "nkosi" }, { "Okafor", "okafor" }, { "Otieno", "otieno" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 2,
		{ { "กมล", "kamon" }, { "ชัย", "chai" }, { "นารี", "naree" }, { "พิมพ์", "phim" },
			{ "สมชาย", "somchai" }, { "อรุณ", "arun" } },
		{ { "แก้วมณี", "kaewmanee" }, { "จันทร์ดี", "chandee" }, { "บุญมี", "boonmee" },
			{ "ศรีสุข", "srisuk" }, { "ทองคำ", "thongkham" } } },
	{ LANGUAGE_ENGLISH, GIVEN_FIRST, 2,
		{ { "Անի", "ani" }, { "Արամ", "aram" }, { "Դավիթ", "davit" }, { "Նարե", "nare" },
			{ "Տիգրան", "tigran" } },
		{ { "Գրիգորյան", "grigoryan" }, { "Հակոբյան", "hakobyan" },
			{ "Պետրոսյան", "petrosyan" }, { "Սարգսյան", "sargsyan" } } },
};

#define N_CULTURES (sizeof(cultures) / sizeof(cultures[0]))

struct names {
	uint32_t given[N_CULTURES][NAMES_MAX][NAMES_MAX]; /* how often, by given name and family */
};

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		log_fatal("out_of_memory");
	return n;
}

void names_free(struct names *n)
{
	free(n);
}

static size_t count(const struct name list[NAMES_MAX])
{
	size_t n = 0;

	while (n < NAMES_MAX && list[n].text)
		n++;
	return n;
}

static size_t draw_culture(struct rng *r)
{
	unsigned total = 0;
	uint64_t at;
	size_t i;

	for (i = 0; i < N_CULTURES; i++)
		total += cultures[i].share;
	at = rng_below(r, total);
	for (i = 0; at >= cultures[i].share; i++)
		at -= cultures[i].share;
	return i;
}

/* Appends a username. If it is taken, the separator is varied, then a number is appended. */
static void put_username(struct buf *b, const char *given, const char *family, uint32_t taken)
{
	static const char *const between[] = { ".", "_", "-" };
	const uint32_t n = sizeof(between) / sizeof(between[0]);

	buf_addf(b, "%s%s%s", given, between[taken % n], family);
	if (taken >= n)
		buf_addf(b, "%u", taken / n + 1);
}

enum language names_person(
	struct names *n, struct rng *r, struct buf *full_name, struct buf *username)
{
	size_t c = draw_culture(r);
	const struct culture *culture = &cultures[c];
	size_t g = rng_below(r, count(culture->given)), f = rng_below(r, count(culture->family));
	const char *given = culture->given[g].text, *family = culture->family[f].text;

	if (culture->order == GIVEN_FIRST)
		buf_addf(full_name, "%s %s", given, family);
	else
		buf_addf(full_name, "%s%s%s", family, culture->order == FAMILY_JOINED ? "" : " ",
			given);
	put_username(
		username, culture->given[g].latin, culture->family[f].latin, n->given[c][g][f]++);
	return culture->language;
}

void names_group(struct rng *r, size_t number, struct buf *name)
{
	static const char *const whose[] = { "Northside", "Riverside", "Old Town", "Harbour",
		"Thursday", "Weekend", "Second floor", "Hill Street", "Early", "Late night",
		"Village", "Garden Lane", "Sunday", "Station Road" };
	static const char *const what[] = { "football ⚽", "book club 📚", "choir", "neighbours",
		"parents", "runners", "cooks 🍲", "chess", "film night 🎬", "cyclists 🚲",
		"allotment 🥕", "car pool", "climbers", "band 🎸", "makers", "volunteers",
		"flat hunters", "walkers" };
	static const char *const alone[] = { "Familie 🏡", "Команда проекта", "同学会", "旅行の計画",
		"أصدقاء الجامعة", "Equipo de proyecto", "परिवार", "Les amis du quartier",
		"Turma de 2010", "Release planning", "On call", "Lunch?" };
	const size_t n_whose = sizeof(whose) / sizeof(whose[0]),
		     n_what = sizeof(what) / sizeof(what[0]);
	const size_t n_alone = sizeof(alone) / sizeof(alone[0]);

	if (rng_chance(r, 25))
		buf_add_str(name, alone[rng_below(r, n_alone)]);
	else
		buf_addf(name, "%s %s", whose[rng_below(r, n_whose)], what[rng_below(r, n_what)]);
	if (number >= n_whose)
		buf_addf(name, " %zu", number / n_whose + 1);
}
